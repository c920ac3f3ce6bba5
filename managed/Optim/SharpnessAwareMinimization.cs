using System.Text.Json.Nodes;
using Optim.Interop;

namespace Optim;

/// <summary>Sharpness-aware minimization around any optimizer: it steps with the gradient of the point of highest loss
/// nearby (SAM, arXiv 2010.01412; ASAM, arXiv 2102.11600).</summary>
/// <remarks>Either call <see cref="Step(Func{double})"/>, or <see cref="FirstStep"/> once the gradients are there,
/// compute the gradients again at the moved parameters, and call <see cref="SecondStep()"/>. The wrapper keeps a copy of
/// the parameters as scratch memory, and does not own the optimizer. It has no state; its options are saved by a checkpoint
/// that has it as <see cref="Checkpoint.Sharpness"/>.</remarks>
public sealed unsafe class SharpnessAwareMinimization : IDisposable
{
    private readonly PlanHandle _perturb;
    private readonly PlanHandle _restore;
    private readonly Binding _perturbing;
    private readonly Binding _restoring;
    private readonly StateMemory _old;
    private readonly SharpnessOptions[] _options;

    /// <summary>Wraps an optimizer, with the same options for all its groups.</summary>
    /// <param name="optimizer">The optimizer that makes the steps.</param>
    /// <param name="options">The neighbourhood; null = the defaults.</param>
    public SharpnessAwareMinimization(Optimizer optimizer, SharpnessOptions? options = null)
        : this(optimizer, Repeat(options ?? new SharpnessOptions(), optimizer)) { }

    /// <summary>Wraps an optimizer, with options for each of its groups.</summary>
    /// <param name="optimizer">The optimizer that makes the steps.</param>
    /// <param name="options">The neighbourhood of each group.</param>
    public SharpnessAwareMinimization(Optimizer optimizer, IEnumerable<SharpnessOptions> options)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(options);
        optimizer.CheckOpen();
        optimizer.Engine.CheckOpen();
        optimizer.RefreshSources();
        Optimizer = optimizer;
        _options = [.. options];
        if (_options.Length != optimizer.Groups.Count || _options.Contains(null!))
        {
            throw new ArgumentException(
                $"The optimizer has {optimizer.Groups.Count} groups; they need as many options, none null.",
                nameof(options)
            );
        }

        try
        {
            double[][] none = [.. _options.Select(_ => Array.Empty<double>())];
            _perturb = MakePlan("sam_perturb", [.. _options.Select(group => group.ToRow())]);
            _restore = MakePlan("sam_restore", none);
            _old = new StateMemory(_perturb, optimizer.Engine, ParameterNames.Keys(optimizer.Parameters));
            _restore.Keep(1, _old.Owner);
            _perturbing = new Binding(_perturb, optimizer.Parameters, optimizer.GradientType);
            _restoring = new Binding(_restore, optimizer.Parameters, optimizer.GradientType);
            _perturbing.Bind(_old.Pointers);
            _restoring.Bind(_old.Pointers);
        }
        catch
        {
            _restore?.Dispose();
            _perturb?.Dispose();
            _old?.Dispose();
            throw;
        }
    }

    /// <summary>The optimizer that makes the steps.</summary>
    public Optimizer Optimizer { get; }

    /// <summary>The options of each group; <see cref="SetOptions"/> changes them.</summary>
    public IReadOnlyList<SharpnessOptions> Options => _options;

    /// <summary>Whether the parameters are at the point of highest loss, between the two steps.</summary>
    public bool IsPerturbed { get; private set; }

    /// <summary>Changes the options of a group from the next first step on.</summary>
    /// <exception cref="OptimException">An option is out of its range; nothing has changed.</exception>
    public void SetOptions(int group, SharpnessOptions options)
    {
        CheckOpen();
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(group);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(group, _options.Length);
        SetRow(group, options.ToRow());
        _options[group] = options;
    }

    /// <summary>Saves the parameters and moves those that have a gradient to the point of highest loss nearby. Gradients
    /// do not change.</summary>
    /// <exception cref="InvalidOperationException">The second step of before is still to be made.</exception>
    public void FirstStep()
    {
        CheckOpen();
        if (IsPerturbed)
        {
            throw new InvalidOperationException(
                $"The first step was already made; {nameof(SecondStep)} or {nameof(Restore)} comes next."
            );
        }

        Optimizer.RefreshSources();
        _perturbing.Refresh();
        _restoring.Refresh(); // now: it brings back what has a gradient now
        NativeStatus.Check(NativeMethods.PlanStep(_perturb, null));
        IsPerturbed = true;
    }

    /// <summary>Brings the parameters back, to the bit, and steps the optimizer with the gradients of now.</summary>
    /// <exception cref="InvalidOperationException">The first step has not been made.</exception>
    public void SecondStep()
    {
        SecondStep(default);
    }

    /// <summary>Brings the parameters back, to the bit, and steps the optimizer as a gradient scaler asks.</summary>
    /// <exception cref="InvalidOperationException">The first step has not been made.</exception>
    public void SecondStep(in StepOptions options)
    {
        Restore();
        Optimizer.StepRefreshed(options);
    }

    /// <summary>Brings the parameters back, to the bit, without a step: those that the first step moved, where they are
    /// now.</summary>
    /// <exception cref="InvalidOperationException">The first step has not been made.</exception>
    /// <exception cref="ObjectDisposedException">A parameter is disposed; nothing has changed.</exception>
    public void Restore()
    {
        CheckOpen();
        if (!IsPerturbed)
        {
            throw new InvalidOperationException($"The parameters are not perturbed; {nameof(FirstStep)} comes first.");
        }

        Optimizer.RefreshSources();
        _restoring.RefreshValues(); // where they are now, and those that had a gradient at the first step
        NativeStatus.Check(NativeMethods.PlanStep(_restore, null));
        IsPerturbed = false;
    }

    /// <summary>One whole step.</summary>
    /// <param name="closure">Computes the loss and the gradients at the parameters as they are; it is called twice.
    /// Should it throw, the parameters are those of before.</param>
    /// <returns>The loss at the parameters before the step.</returns>
    public double Step(Func<double> closure)
    {
        ArgumentNullException.ThrowIfNull(closure);
        var loss = closure();
        FirstStep();
        try
        {
            closure();
        }
        catch
        {
            Restore();
            throw;
        }

        SecondStep();
        return loss;
    }

    /// <summary>Frees the scratch memory. Parameters that are still perturbed stay so.</summary>
    public void Dispose()
    {
        _perturb.Dispose();
        _restore.Dispose();
        _old.Dispose();
    }

    internal void CheckAtRest()
    {
        CheckOpen();
        if (IsPerturbed)
        {
            throw new InvalidOperationException($"The parameters are perturbed; {nameof(SecondStep)} or {nameof(Restore)} comes first.");
        }
    }

    internal JsonArray Describe()
    {
        var groups = new JsonArray();
        foreach (var options in _options)
        {
            var values = SharpnessOptions.Names.Zip(options.ToRow(), (name, value) => KeyValuePair.Create(name, (JsonNode?)JsonFields.Of(value)));
            groups.Add((JsonNode)new JsonObject(values));
        }

        return groups;
    }

    /// <summary>Checks a description, and says how to restore the options.</summary>
    internal Action Prepare(JsonArray stored)
    {
        if (stored.Count != _options.Length)
        {
            throw new OptimException($"sharpness of the state has {stored.Count} groups, the optimizer {_options.Length}.");
        }

        double[][] rows = [.. stored.Select((group, i) => ReadRow(group, $"sharpness[{i}]"))];
        try
        {
            SetRows(rows); // the library refuses what is out of range
        }
        finally
        {
            SetRows([.. _options.Select(options => options.ToRow())]);
        }

        return () =>
        {
            SetRows(rows);
            for (var i = 0; i < rows.Length; i++)
            {
                _options[i] = SharpnessOptions.FromRow(rows[i]);
            }
        };
    }

    private static double[] ReadRow(JsonNode? group, string what)
    {
        var values = JsonFields.Object(group, what);
        return [.. SharpnessOptions.Names.Select(name => JsonFields.Number(values[name], $"{what}.{name}"))];
    }

    private static IEnumerable<SharpnessOptions> Repeat(SharpnessOptions options, Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        return Enumerable.Repeat(options, optimizer.Groups.Count);
    }

    private void SetRows(double[][] rows)
    {
        for (var group = 0; group < rows.Length; group++)
        {
            SetRow(group, rows[group]);
        }
    }

    private void SetRow(int group, double[] values)
    {
        fixed (double* row = values)
        {
            NativeStatus.Check(NativeMethods.PlanSetHypers(_perturb, group, row, values.Length));
        }
    }

    private PlanHandle MakePlan(string rule, double[][] values) =>
        PlanFactory.Create(rule, Optimizer, values, new Helpers(), new OptimizerStorage { GradientType = Optimizer.GradientType });

    private void CheckOpen() => ObjectDisposedException.ThrowIf(_perturb.IsClosed, this);
}
