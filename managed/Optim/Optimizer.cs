using Optim.Interop;

namespace Optim;

/// <summary>A rule bound to all parameters of one optimizer, stepped by the native library.</summary>
/// <remarks>An optimizer, like the engine it uses, may be used by one thread at a time.</remarks>
public abstract unsafe class Optimizer : IDisposable
{
    // Where the plan keeps what a step was told; its engine and its states come before.
    private const int GradScalePlace = 2;
    private const int FoundInfPlace = 3;
    private const int OverflowPlace = 4;

    private readonly IParameterSource[] _sources;
    private readonly OptimizerStorage _storage;
    private BoundPlan _bound;

    private protected Optimizer(
        string rule,
        Engine engine,
        IEnumerable<ParameterGroup> groups,
        Helpers? helpers,
        OptimizerStorage? storage
    )
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(groups);
        engine.CheckOpen();
        Rule = Catalogue.Resolve(rule);
        Engine = engine;
        Groups = [.. groups];
        Helpers = helpers ?? new Helpers();
        Parameters = ParameterList.Collect(engine, Groups);
        _sources = [.. Parameters.Select(parameter => parameter.Source).OfType<IParameterSource>().Distinct()];
        RefreshSources();
        ParameterList.CheckApart(Parameters);

        var resolved = 0;
        try
        {
            for (; resolved < Groups.Count; resolved++)
            {
                Groups[resolved].Resolve(Rule);
            }

            GradientType = PlanFactory.GradientType(Parameters, storage);
            _storage = (storage ?? new OptimizerStorage()) with { GradientType = GradientType };
            _bound = MakePlan([.. Groups.Select(group => group.Values.ToArray())]);
            for (var i = 0; i < Groups.Count; i++)
            {
                Groups[i].Attach(this, i);
            }
        }
        catch
        {
            _bound?.Dispose();
            foreach (var group in Groups.Take(resolved))
            {
                group.Detach();
            }

            throw;
        }
    }

    /// <summary>The rule it steps by.</summary>
    public RuleSchema Rule { get; }

    /// <summary>Name of the rule in the catalogue.</summary>
    public string RuleName => Rule.Name;

    /// <summary>The engine it computes on.</summary>
    public Engine Engine { get; }

    /// <summary>The groups, with live hyper-parameters.</summary>
    public IReadOnlyList<ParameterGroup> Groups { get; }

    /// <summary>The parameters of all groups, in the order of their indices in state dictionaries.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>The helpers that were switched on at construction.</summary>
    public Helpers Helpers { get; }

    /// <summary>Type of all gradients; null = that of each parameter.</summary>
    internal DType? GradientType { get; }

    /// <summary>Where the states are.</summary>
    internal StateMemory StateMemory => _bound.States;

    /// <summary>The plan of now.</summary>
    internal PlanHandle Plan => _bound.Handle;

    /// <summary>The source of a state failed while it was read: the states are partly of it, partly of before.</summary>
    internal bool IsHalfLoaded { get; set; }

    /// <summary>Bytes of all states.</summary>
    public long StateBytes => _bound.States.Slots.Sum(slot => slot.Bytes);

    /// <summary>Bytes that one step must read and write with what is bound and switched on.</summary>
    public long BytesPerStep
    {
        get
        {
            Refresh();
            ulong bytes;
            NativeStatus.Check(NativeMethods.PlanBytesPerStep(Plan, &bytes));
            return checked((long)bytes);
        }
    }

    /// <summary>Kernels that the last step started on a CUDA device, whatever the number of parameters; 0 on the
    /// CPU.</summary>
    public long LaunchesPerStep
    {
        get
        {
            Refresh();
            ulong launches;
            NativeStatus.Check(NativeMethods.PlanQueuedWork(Plan, &launches, null));
            return checked((long)launches);
        }
    }

    /// <summary>What became of the matrix roots that its steps have taken; all 0 for a rule without. A root that was
    /// skipped kept its former value. Waits for the device.</summary>
    public RootCounts RootCounts
    {
        get
        {
            CheckOpen();
            var counts = stackalloc ulong[Native.ROOT_COUNTS];
            NativeStatus.Check(NativeMethods.PlanRootCounts(Plan, counts));
            return RootCounts.Read(counts);
        }
    }

    /// <summary>Makes an optimizer of any rule of the catalogue with one group.</summary>
    /// <param name="name">Name of the rule in any usual spelling ("adamw", "AdamW", "adam_w"), or one of its
    /// <see cref="RuleSchema.Aliases"/>, whose values are then the defaults.</param>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="parameters">What to optimize.</param>
    /// <param name="hypers">Values by the names of the rule's schema; those not named take their defaults.</param>
    /// <param name="helpers">Helpers to switch on.</param>
    /// <param name="storage">Storage types of gradients and states; master weights, stochastic rounding.</param>
    public static Optimizer Create(
        string name,
        Engine engine,
        IEnumerable<Parameter> parameters,
        IReadOnlyDictionary<string, double>? hypers = null,
        Helpers? helpers = null,
        OptimizerStorage? storage = null
    ) => Create(name, engine, [new ParameterGroup(parameters, hypers)], helpers, storage);

    /// <summary>Makes an optimizer of any rule of the catalogue with several groups.</summary>
    /// <param name="name">Name of the rule in any usual spelling ("adamw", "AdamW", "adam_w"), or one of its
    /// <see cref="RuleSchema.Aliases"/>, whose values are then the defaults.</param>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="groups">What to optimize, with values of its own for each group.</param>
    /// <param name="helpers">Helpers to switch on.</param>
    /// <param name="storage">Storage types of gradients and states; master weights, stochastic rounding.</param>
    public static Optimizer Create(
        string name,
        Engine engine,
        IEnumerable<ParameterGroup> groups,
        Helpers? helpers = null,
        OptimizerStorage? storage = null
    ) => new CatalogueOptimizer(name, engine, groups, helpers, storage);

    /// <summary>Finds the parameters and gradients of now, and lets go of the memory of those of before. Every step does so
    /// by itself; between dropping gradients and the next backward pass it lets their memory be used again.</summary>
    public void Refresh()
    {
        CheckWhole();
        RefreshSources();
        _bound.Binding.Refresh();
    }

    /// <summary>One step of all groups with the gradients of now.</summary>
    public void Step() => Step(default);

    /// <summary>One step of all groups, scaled or skipped as a gradient scaler asks.</summary>
    /// <exception cref="ArgumentException">A tensor is no Float32 of one element on the device of the optimizer.</exception>
    public void Step(in StepOptions options)
    {
        CheckWhole();
        RefreshSources();
        StepRefreshed(options);
    }

    /// <summary>A step whose sources have just been asked.</summary>
    internal void StepRefreshed(in StepOptions options)
    {
        CheckWhole();
        using var hold = new OwnerHold(Plan); // it may be disposed at any time, and what it keeps is about to change
        _bound.Binding.Refresh();
        var step = new NativeStep
        {
            Size = (ulong)sizeof(NativeStep),
            GradScale = Take(options.GradScale, GradScalePlace, nameof(options.GradScale)),
            FoundInf = Take(options.FoundInf, FoundInfPlace, nameof(options.FoundInf)),
            Overflow = Take(options.Overflow, OverflowPlace, nameof(options.Overflow)),
        };
        NativeStatus.Check(NativeMethods.PlanStep(Plan, &step));
        Plan.ReleaseFormer();
    }

    /// <summary>The number of steps a parameter has made. Waits for the device.</summary>
    /// <param name="parameter">Its index in <see cref="Parameters"/>.</param>
    public long StepCount(int parameter = 0)
    {
        CheckParameter(parameter);
        return ReadStepCounts()[parameter].Steps;
    }

    /// <summary>The counts of all parameters, in their order. Waits for the device.</summary>
    public StepCounts[] ReadStepCounts()
    {
        CheckOpen();
        var steps = new long[Parameters.Count];
        var inputSteps = new long[steps.Length];
        var stepped = new int[steps.Length];
        fixed (long* made = steps)
        fixed (long* withInputs = inputSteps)
        fixed (int* changed = stepped)
        {
            NativeStatus.Check(NativeMethods.PlanGetSteps(Plan, made, withInputs, changed));
        }

        return [.. steps.Select((made, i) => new StepCounts(made, inputSteps[i], stepped[i] != 0))];
    }

    /// <summary>Sets the counts of all parameters, in their order.</summary>
    /// <exception cref="OptimException">A count is below 0 or above 2^53; nothing has changed.</exception>
    public void SetStepCounts(IReadOnlyList<StepCounts> counts)
    {
        CheckOpen();
        ArgumentNullException.ThrowIfNull(counts);
        if (counts.Count != Parameters.Count)
        {
            throw new ArgumentException(
                $"{counts.Count} counts were given; the optimizer has {Parameters.Count} parameters.",
                nameof(counts)
            );
        }

        fixed (long* made = counts.Select(count => count.Steps).ToArray())
        fixed (long* withInputs = counts.Select(count => count.InputSteps).ToArray())
        fixed (int* changed = counts.Select(count => count.Stepped ? 1 : 0).ToArray())
        {
            NativeStatus.Check(NativeMethods.PlanSetSteps(Plan, made, withInputs, changed));
        }
    }

    /// <summary>The live states of one parameter by the names of their slots: views of memory of this optimizer. Used after it is
    /// disposed, or after a hyper-parameter changed which states there are, they throw ObjectDisposedException.</summary>
    public IReadOnlyDictionary<string, Tensor> States(int parameter)
    {
        CheckOpen();
        CheckParameter(parameter);
        return _bound.States.Slots.Where(slot => slot.Parameter == parameter).ToDictionary(slot => slot.Name, _bound.States.View);
    }

    /// <summary>Has master weights follow what was done to their parameters in place since the last step: where a parameter is no
    /// longer what its master weight rounds to, that becomes the parameter. Goes over all of them on the host; does nothing
    /// without <see cref="OptimizerStorage.MasterWeights"/>.</summary>
    public void TakeParameters()
    {
        CheckWhole();
        RefreshSources();
        foreach (var slot in StateMemory.Slots.Where(slot => slot.Name == StateLoader.MasterWeights))
        {
            StateMemory.WriteWidened(slot, Parameters[slot.Parameter].Value, onlyChanged: true);
        }
    }

    /// <summary>A copy of all states, named "state.&lt;parameter&gt;.&lt;slot&gt;" with the slot names of PyTorch; step
    /// counts, hyper-parameters and helper settings are in its metadata (docs/checkpoints.md).</summary>
    public TensorSet StateDict() => TensorSet.CopyOf(new Checkpoint(this).Source());

    /// <summary>Restores states, step counts and hyper-parameters. Everything is checked before anything
    /// changes.</summary>
    /// <exception cref="OptimException">The state is of another rule, of other helper settings, or of parameters that are
    /// not those of this optimizer.</exception>
    public void LoadStateDict(ITensorSource state)
    {
        ArgumentNullException.ThrowIfNull(state);
        new Checkpoint(this).Load(state);
    }

    /// <summary>Writes the state to a safetensors file, which is replaced only once the new one is complete. A
    /// <see cref="Checkpoint"/> also holds the position of schedules and the gradient scaler.</summary>
    public void Save(string path) => new Checkpoint(this).Save(path);

    /// <summary>Restores the state from a safetensors file, of a checkpoint with more in it also.</summary>
    /// <exception cref="FormatException">The file is no sound safetensors file.</exception>
    /// <exception cref="OptimException">Its state does not fit this optimizer.</exception>
    public void Load(string path) => new Checkpoint(this).Load(path);

    /// <inheritdoc/>
    public void Dispose()
    {
        _bound.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Rule.Title} of {Parameters.Count} parameters on {Engine.Device}";

    /// <summary>Brings parameters of other libraries up to date.</summary>
    internal void RefreshSources()
    {
        foreach (var source in _sources)
        {
            source.Refresh();
        }
    }

    internal void CheckOpen() => ObjectDisposedException.ThrowIf(Plan.IsClosed, this);

    internal void CheckWhole()
    {
        CheckOpen();
        if (IsHalfLoaded)
        {
            throw new InvalidOperationException(
                "The states of this optimizer are half loaded: their source failed while it was read. Load a state first."
            );
        }
    }

    /// <summary>Whether groups with other values have other states.</summary>
    internal bool NeedsOtherStates(IReadOnlyList<double[]> values)
    {
        for (var i = 0; i < Groups.Count; i++)
        {
            if (Rule.HasOtherStates(Groups[i].Values, values[i]))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A plan for groups with other values, with all states as they begin.</summary>
    internal BoundPlan MakePlan(double[][] values) => new(this, values, _storage);

    /// <summary>Goes on with another plan, from the step counts of now.</summary>
    internal void Adopt(BoundPlan plan)
    {
        var former = _bound;
        var counts = ReadStepCounts();
        _bound = plan;
        try
        {
            SetStepCounts(counts);
            foreach (var group in Groups)
            {
                group.ReadValues();
            }
        }
        catch
        {
            _bound = former;
            plan.Dispose();
            throw;
        }

        former.Dispose();
    }

    /// <summary>Sets the values of a group. Where they decide that other states exist, those that come begin as in a new optimizer,
    /// and all others stay as they are.</summary>
    internal void SetValues(int group, ReadOnlySpan<double> values)
    {
        CheckOpen();
        if (!Rule.HasOtherStates(Groups[group].Values, values))
        {
            fixed (double* row = values)
            {
                NativeStatus.Check(NativeMethods.PlanSetHypers(Plan, group, row, values.Length));
            }

            return;
        }

        CheckWhole();
        RefreshSources();
        double[][] rows = [.. Groups.Select(other => other.Values.ToArray())];
        rows[group] = values.ToArray();
        var plan = MakePlan(rows);
        try
        {
            plan.States.CopyFrom(StateMemory);
        }
        catch
        {
            plan.Dispose();
            throw;
        }

        Adopt(plan);
    }

    private float* Take(Tensor? scalar, int place, string name)
    {
        Plan.Keep(place, scalar?.Owner); // before the address is read: it may be disposed at any time
        return scalar is null ? null : scalar.ScalarOn(Engine, name);
    }

    private void CheckParameter(int parameter)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(parameter);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(parameter, Parameters.Count);
    }
}
