namespace Optim.Cli.Replay;

/// <summary>Runs golden cases through the public API.</summary>
internal static class GoldenReplay
{
    /// <summary>Why the case cannot be replayed; null when it can.</summary>
    public static string? Obstacle(GoldenCase golden) =>
        golden.Steps > 0 ? Trajectory.Obstacle(golden) : DirectItems.Obstacle(golden);

    /// <summary>The computed values under the names of the expected ones, in F64.</summary>
    public static TensorSet Replay(GoldenCase golden, Engine engine, DType dtype) =>
        golden.Steps > 0 ? Trajectory.Replay(golden, engine, dtype) : DirectItems.Replay(golden, engine, dtype);
}
