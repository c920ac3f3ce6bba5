using System.Diagnostics.CodeAnalysis;

namespace Optim.Interop;

internal static unsafe class NativeStatus
{
    /// <summary>Throws the thread's last native error unless the status is OK.</summary>
    public static void Check(int status)
    {
        if (status != Native.OK)
        {
            Throw(status);
        }
    }

    [DoesNotReturn]
    private static void Throw(int status)
    {
        var message = NativeText.Read(NativeMethods.LastError());
        throw new OptimException(
            (OptimStatus)status,
            message.Length > 0 ? message : NativeText.Read(NativeMethods.StatusName(status))
        );
    }
}
