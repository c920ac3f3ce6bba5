using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Optim.Tests.Support;

namespace Optim.TorchSharp.Tests.Support;

/// <summary>The stand-in for TorchSharp's native library (native/stand_in.cpp), which the adapter under test is given
/// too.</summary>
internal static unsafe partial class StandIn
{
    private const string Library = "LibTorchSharp";

    [LibraryImport(Library, EntryPoint = "standin_tensor")]
    public static partial nint Tensor(double* values, long* sizes, int rank, sbyte type, byte requiresGrad);

    [LibraryImport(Library, EntryPoint = "standin_strided")]
    public static partial nint Strided(nint tensor, long* sizes, long* strides, int rank);

    [LibraryImport(Library, EntryPoint = "standin_form", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint Form(nint tensor, string form);

    [LibraryImport(Library, EntryPoint = "standin_set_data")]
    public static partial void SetData(nint tensor, nint data);

    [LibraryImport(Library, EntryPoint = "standin_tensor_uses")]
    public static partial long TensorUses(nint tensor);

    [LibraryImport(Library, EntryPoint = "standin_storage_uses")]
    public static partial long StorageUses(nint tensor);

    [LibraryImport(Library, EntryPoint = "standin_read")]
    public static partial void Read(nint tensor, double* values);

    [LibraryImport(Library, EntryPoint = "standin_backward")]
    public static partial double Backward(nint* layers, int count, nint x, nint y);

    [LibraryImport(Library, EntryPoint = "THSTensor_grad")]
    public static partial nint Gradient(nint tensor);

    [LibraryImport(Library, EntryPoint = "THSTensor_set_grad")]
    public static partial void SetGradient(nint tensor, nint gradient);

    [LibraryImport(Library, EntryPoint = "THSTensor_dispose")]
    public static partial void Dispose(nint tensor);

    [LibraryImport(Library, EntryPoint = "THSTorch_get_and_reset_last_err")]
    private static partial nint LastError();

    public static void Check()
    {
        if (LastError() is not 0 and var message)
        {
            Assert.Fail(Marshal.PtrToStringUTF8(message)!);
        }
    }

#pragma warning disable CA2255 // the resolver must be in place before the first native call, wherever it comes from
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Register()
    {
        NativeLibrary.SetDllImportResolver(typeof(StandIn).Assembly, Resolve);
        NativeLibrary.SetDllImportResolver(typeof(TorchParameters).Assembly, Resolve);
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != Library)
        {
            return 0;
        }

        string[] candidates =
        [
            .. new[] { "cuda", "cpu" }.Select(preset =>
                Path.Combine(Checkout.Root, "build", preset, "lib", "libLibTorchSharp.so")
            ),
        ];
        var newest = candidates.Where(File.Exists).MaxBy(File.GetLastWriteTimeUtc);
        return newest is not null
            ? NativeLibrary.Load(newest)
            : throw new DllNotFoundException(
                $"There is none of {string.Join(", ", candidates)}. cmake builds it where it finds libtorch: install libtorch-dev "
                    + "(cmake/setup-debian.sh --tests does), then ./build.sh test."
            );
    }
}
