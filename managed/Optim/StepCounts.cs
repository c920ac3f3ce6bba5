namespace Optim;

/// <summary>How often a parameter was stepped: not at steps without a gradient, and not at those that were skipped.</summary>
/// <param name="Steps">Steps made; those of the whole group where <see cref="ParameterGroup.StepsByGroup"/> says so.</param>
/// <param name="InputSteps">Of those, the ones at which the rule's further inputs were given
/// (<see cref="Parameter.Inputs"/>).</param>
/// <param name="Stepped">A step has changed the parameter. Some rules begin differently with a first gradient.</param>
public readonly record struct StepCounts(long Steps, long InputSteps, bool Stepped)
{
    /// <summary>So many steps, all with further inputs where the rule takes any.</summary>
    public StepCounts(long steps)
        : this(steps, steps, steps > 0) { }
}
