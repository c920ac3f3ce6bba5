using System.Runtime.InteropServices;

namespace Optim.TorchSharp;

/// <summary>The entry points of TorchSharp's native library that the adapter needs. A handle is the address of an
/// at::Tensor; functions that return one give it to the caller, who frees it by <see cref="Dispose"/>.</summary>
internal static partial class LibTorchSharp
{
    private const string Library = "LibTorchSharp";

    /// <summary>Address of the first element: that of the storage, plus the offset.</summary>
    [LibraryImport(Library, EntryPoint = "THSTensor_data")]
    public static partial nint Data(nint tensor);

    /// <summary>The gradient; 0 = it has none.</summary>
    [LibraryImport(Library, EntryPoint = "THSTensor_grad")]
    public static partial nint Gradient(nint tensor);

    /// <summary>Replaces the gradient; 0 = none.</summary>
    [LibraryImport(Library, EntryPoint = "THSTensor_set_grad")]
    public static partial void SetGradient(nint tensor, nint gradient);

    /// <summary>Sets all elements to 0, unseen by autograd.</summary>
    [LibraryImport(Library, EntryPoint = "THSInit_zeros_")]
    public static partial void Zero(nint tensor);

    [LibraryImport(Library, EntryPoint = "THSTensor_ndimension")]
    public static partial long Rank(nint tensor);

    [LibraryImport(Library, EntryPoint = "THSTensor_size")]
    public static partial long Size(nint tensor, long dimension);

    [LibraryImport(Library, EntryPoint = "THSTensor_stride")]
    public static partial long Stride(nint tensor, long dimension);

    /// <summary>The c10::ScalarType.</summary>
    [LibraryImport(Library, EntryPoint = "THSTensor_type")]
    public static partial sbyte Type(nint tensor);

    /// <summary>The c10::DeviceType.</summary>
    [LibraryImport(Library, EntryPoint = "THSTensor_device_type")]
    public static partial int DeviceType(nint tensor);

    [LibraryImport(Library, EntryPoint = "THSTensor_device_index")]
    public static partial int DeviceIndex(nint tensor);

    /// <summary>Not 0: it is sparse in coordinate format. Other sparse formats have no strides, and say so.</summary>
    [LibraryImport(Library, EntryPoint = "THSTensor_is_sparse")]
    public static partial byte IsSparse(nint tensor);

    /// <summary>Not 0: backward passes fill its gradient.</summary>
    [LibraryImport(Library, EntryPoint = "THSTensor_is_leaf")]
    public static partial byte IsLeaf(nint tensor);

    /// <summary>1: its elements are those in memory with the other sign, as of the imaginary part of a conjugate; -1: an
    /// error.</summary>
    [LibraryImport(Library, EntryPoint = "THSTensor_is_neg")]
    public static partial long IsNegated(nint tensor);

    /// <summary>A tensor of the same elements, in memory as they are.</summary>
    [LibraryImport(Library, EntryPoint = "THSTensor_resolve_neg")]
    public static partial nint ResolveNegation(nint tensor);

    /// <summary>What all handles of one tensor have in common: an at::Tensor is a pointer to the tensor.</summary>
    public static nint Identity(nint tensor) => Marshal.ReadIntPtr(tensor);

    /// <summary>Another tensor over the same memory, without history.</summary>
    [LibraryImport(Library, EntryPoint = "THSTensor_detach")]
    public static partial nint Detach(nint tensor);

    [LibraryImport(Library, EntryPoint = "THSTensor_dispose")]
    public static partial void Dispose(nint tensor);

    /// <summary>Throws the error that the last call on this thread has left. Calls clear it when they begin, except those for
    /// the device and <see cref="Dispose"/>, which leave none. A call that returned anything but 0 succeeded.</summary>
    public static void CheckError()
    {
        var message = LastError();
        if (message != 0)
        {
            throw new InvalidOperationException($"libtorch: {Marshal.PtrToStringUTF8(message)}");
        }
    }

    [LibraryImport(Library, EntryPoint = "THSTorch_get_and_reset_last_err")]
    private static partial nint LastError();
}
