namespace Optim.Tests.Support;

/// <summary>Counts what the garbage collector has to collect.</summary>
internal static class Allocation
{
    /// <summary>An action allocates nothing, once it has run for a while.</summary>
    public static void AssertNone(Action action)
    {
        const int rounds = 10;
        const int measured = 200;
        var allocated = long.MaxValue;
        // What allocates does so every time; the runtime itself may allocate once in a while, as it compiles a method again.
        for (var round = 0; round < rounds && allocated > 0; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < measured; i++)
            {
                action();
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(0, allocated);
    }
}
