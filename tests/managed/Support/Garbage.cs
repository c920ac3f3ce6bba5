namespace Optim.Tests.Support;

internal static class Garbage
{
    /// <summary>Whatever nothing refers to is gone afterwards, and what only that referred to.</summary>
    public static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
    }
}
