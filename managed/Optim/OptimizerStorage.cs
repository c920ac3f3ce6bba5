namespace Optim;

/// <summary>Storage types of what an optimizer reads and keeps beside the parameters, and how parameters of 16 bits keep
/// steps that rounding to nearest would lose.</summary>
public sealed record OptimizerStorage
{
    /// <summary>Type of all gradients; null = that of the gradients present at construction, else of each
    /// parameter.</summary>
    public DType? GradientType { get; init; }

    /// <summary>Type of all states; null = Float64 for Float64 parameters, else Float32.</summary>
    public DType? StateType { get; init; }

    /// <summary>Whether steps go through a copy in Float32 of each Float16 and BFloat16 parameter (arXiv 1710.03740, section
    /// 3.1), the state "master_param", which is part of state dictionaries. Float32 needs none; Float64 is refused.</summary>
    /// <remarks>It begins as the parameter; steps read it in place of the parameter, and write both. Who changes a
    /// parameter between steps calls <see cref="Optimizer.TakeParameters"/>. A state that was saved without them is loaded all the
    /// same: they are then taken from the parameters, which come first.</remarks>
    public bool MasterWeights { get; init; }

    /// <summary>Seed of stochastic rounding (arXiv 1502.02551); null = parameters are rounded to nearest. It acts on
    /// BFloat16 and leaves Float32 alone; other types are refused. Not together with <see cref="MasterWeights"/>.</summary>
    /// <remarks>What a step makes of a parameter becomes one of its two neighbours, the nearer the likelier, so that it is
    /// kept on average. The choice is a function of seed, step, parameter and element: to resume with the same bits,
    /// give the same seed.</remarks>
    public ulong? StochasticRoundingSeed { get; init; }
}
