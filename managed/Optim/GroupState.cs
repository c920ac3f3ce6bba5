namespace Optim;

/// <summary>What a state dictionary says of groups and parameters beside their states.</summary>
/// <param name="Hypers">Hyper-parameters, by group.</param>
/// <param name="Counts">Step counts, by parameter.</param>
internal sealed record GroupState(double[][] Hypers, StepCounts[] Counts);
