using System.Runtime.InteropServices;

namespace Optim.Interop;

internal static unsafe class NativeText
{
    /// <summary>A copy of zero-terminated UTF-8 text; "" for NULL.</summary>
    public static string Read(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";
}
