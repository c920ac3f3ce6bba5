namespace Optim;

/// <summary>Step counts and hyper-parameters of a group, as a state dictionary holds them.</summary>
internal sealed record GroupState(long Step, long InputStep, double[] Hypers);
