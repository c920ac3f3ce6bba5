namespace Optim;

/// <summary>Step count and hyper-parameters of a group, as a state dictionary holds them.</summary>
internal sealed record GroupState(long Step, double[] Hypers);
