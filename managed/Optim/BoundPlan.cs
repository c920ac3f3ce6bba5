using Optim.Interop;

namespace Optim;

/// <summary>A native plan for the parameters of an optimizer, with its states in their initial values, bound to where everything
/// is now.</summary>
internal sealed class BoundPlan : IDisposable
{
    /// <summary>Makes a plan.</summary>
    /// <param name="optimizer">Whose parameters, groups and helpers.</param>
    /// <param name="values">The hyper-parameters of each group.</param>
    /// <param name="storage">Storage types, and how parameters are kept.</param>
    public BoundPlan(Optimizer optimizer, double[][] values, OptimizerStorage storage)
    {
        Handle = PlanFactory.Create(optimizer.RuleName, optimizer, values, optimizer.Helpers, storage);
        try
        {
            States = new StateMemory(Handle, optimizer.Engine, ParameterNames.Keys(optimizer.Parameters));
            Binding = new Binding(Handle, optimizer.Parameters, storage.GradientType, optimizer.Rule);
            Binding.Bind(States.Pointers);
            NativeStatus.Check(NativeMethods.PlanInitStates(Handle));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public PlanHandle Handle { get; }

    public StateMemory States { get; } = null!;

    public Binding Binding { get; } = null!;

    public void Dispose()
    {
        Handle.Dispose();
        States?.Dispose();
    }
}
