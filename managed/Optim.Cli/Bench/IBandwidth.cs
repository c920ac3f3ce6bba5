namespace Optim.Cli.Bench;

/// <summary>Measures how fast the memory of a device is, in the way that a step can be compared to.</summary>
internal interface IBandwidth : IDisposable
{
    /// <summary>What is measured, for the heading of the table.</summary>
    string Description { get; }

    /// <summary>Bytes read and written in a second, measured now.</summary>
    double BytesPerSecond();
}
