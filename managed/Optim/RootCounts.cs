using Optim.Interop;

namespace Optim;

/// <summary>Matrix roots that were not what they should be.</summary>
/// <param name="Skipped">Roots left as they were: the matrix is not finite, or the root is beyond its type.</param>
/// <param name="Indefinite">Matrices with a negative eigenvalue that rounding does not explain; it was raised.</param>
public readonly record struct RootCounts(long Skipped, long Indefinite)
{
    internal const int Bytes = Native.ROOT_COUNTS * sizeof(ulong);

    internal static unsafe RootCounts Read(ulong* counts) =>
        new(checked((long)counts[Native.ROOT_SKIPPED]), checked((long)counts[Native.ROOT_INDEFINITE]));
}
