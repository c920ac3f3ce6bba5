using Optim.Interop;

namespace Optim;

/// <summary>Dynamic loss scaling: small gradients survive 16-bit storage when the loss is multiplied by a scale, which falls
/// when gradients overflow and grows again. As torch.amp.GradScaler.</summary>
/// <remarks>
/// <para>A step is: multiply the loss by <see cref="Scale"/>; backward pass; <see cref="Step"/>; <see cref="Update()"/>. The
/// state is on the device, and neither Step nor Update waits for it.</para>
/// <para>An overflow skips the whole step: parameters, states and step counts stay. There is one flag: steps of further
/// optimizers that come between an overflow and the update are skipped, too.</para>
/// </remarks>
public sealed unsafe class GradientScaler : IDisposable
{
    private readonly BufferHandle _state;
    private readonly HashSet<Optimizer> _unscaled = [];
    private readonly HashSet<Optimizer> _stepped = [];
    private bool _disposed;

    /// <summary>A scaler whose state is on the device of an engine.</summary>
    /// <param name="engine">The engine of the optimizers it is used with.</param>
    /// <param name="scaling">The rule that moves the scale; that of torch.amp.GradScaler if none is given.</param>
    /// <exception cref="ArgumentOutOfRangeException">A setting is 0 that must not be.</exception>
    /// <exception cref="OptimException">A setting is out of range.</exception>
    public GradientScaler(Engine engine, LossScaling? scaling = null)
    {
        ArgumentNullException.ThrowIfNull(engine);
        engine.CheckOpen();
        Engine = engine;
        Scaling = scaling ?? new AmpScaling();
        var options = Scaling.ToNative();
        _state = engine.Allocate((ulong)sizeof(NativeLossScale))!;
        try
        {
            NativeStatus.Check(NativeMethods.LossScaleInit(engine.Handle, &options, State));
        }
        catch
        {
            _state.Dispose();
            throw;
        }

        Scale = View(&State->Scale);
        FoundInf = View(&State->Overflow);
    }

    /// <summary>The engine whose device holds the state.</summary>
    public Engine Engine { get; }

    /// <summary>The rule that moves the scale.</summary>
    public LossScaling Scaling { get; private set; }

    /// <summary>The live scale, one Float32 on the device: the loss, or the gradient of the loss, is multiplied by
    /// it.</summary>
    public Tensor Scale { get; }

    /// <summary>The live flag, one Float32 on the device: not 0 when a gradient was not finite since the last update. Who
    /// finds another overflow may set it.</summary>
    public Tensor FoundInf { get; }

    private NativeLossScale* State
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed || _state.IsClosed, this);
            return (NativeLossScale*)_state.Pointer;
        }
    }

    /// <summary>The scale; waits for the device.</summary>
    public double GetScale() => Read().Scale;

    /// <summary>Whether the scale would have fallen to <see cref="FairseqScaling.MinLossScale"/>: training has diverged.
    /// Waits for the device.</summary>
    public bool HasFailed() => Read().Failed != 0;

    /// <summary>Divides the gradients of an optimizer by the scale, for code that reads them before the step. Without it the
    /// step divides by itself, and gradients are read once less.</summary>
    /// <exception cref="InvalidOperationException">They are divided already, or the step is made.</exception>
    public void Unscale(Optimizer optimizer)
    {
        CheckOptimizer(optimizer);
        if (_unscaled.Contains(optimizer))
        {
            throw new InvalidOperationException("The gradients of this optimizer are unscaled already since Update().");
        }

        optimizer.RefreshSources();
        Tensor[] gradients = [.. optimizer.Parameters.Select(parameter => parameter.Gradient).OfType<Tensor>()];
        HelperFunctions.Unscale(Engine, gradients, Scale, FoundInf);
        _unscaled.Add(optimizer);
    }

    /// <summary>One step of an optimizer with gradients that are scaled, unless <see cref="Unscale"/> divided them. Skipped as
    /// a whole when one of them is not finite, or one of an optimizer that came before it since the last update (torch.amp.GradScaler
    /// steps that one).</summary>
    /// <exception cref="InvalidOperationException">The optimizer made its step already since the last update.</exception>
    public void Step(Optimizer optimizer)
    {
        CheckOptimizer(optimizer);
        var unscaled = _unscaled.Contains(optimizer);
        optimizer.Step(
            new StepOptions
            {
                GradScale = unscaled ? null : Scale,
                FoundInf = FoundInf,
                Overflow = unscaled ? null : FoundInf,
            }
        );
        _stepped.Add(optimizer);
    }

    /// <summary>Moves the scale by whether a step since the last update found an overflow.</summary>
    public void Update()
    {
        var options = Scaling.ToNative();
        using var hold = new OwnerHold(_state);
        NativeStatus.Check(NativeMethods.LossScaleUpdate(Engine.LivingHandle, &options, State));
        _unscaled.Clear();
        _stepped.Clear();
    }

    /// <summary>The settings and the state by the names of torch.amp.GradScaler's state dictionary, or of fairseq's members;
    /// waits for the device.</summary>
    public IReadOnlyDictionary<string, double> StateDict() => Scaling.Save(Read());

    /// <summary>Restores settings and state. Everything is checked before anything changes.</summary>
    /// <exception cref="OptimException">The dictionary is of another rule, or a number in it is out of range.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, double> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        Prepare(state)();
    }

    /// <summary>Checks a state, and says how to restore it.</summary>
    internal Action Prepare(IReadOnlyDictionary<string, double> state)
    {
        _ = State;
        foreach (var name in state.Keys.Except(Scaling.Save(default).Keys))
        {
            throw new OptimException($"The state of the gradient scaler has \"{name}\", which {Scaling.GetType().Name} has not.");
        }

        var (scaling, values) = Scaling.Load(name =>
            state.TryGetValue(name, out var value)
                ? value
                : throw new OptimException($"The state of the gradient scaler lacks \"{name}\".")
        );
        var options = Options(scaling);
        using (var trial = Engine.Allocate((ulong)sizeof(NativeLossScale))!)
        {
            NativeStatus.Check(NativeMethods.LossScaleInit(Engine.LivingHandle, &options, (NativeLossScale*)trial.Pointer));
        }

        return () =>
        {
            var restored = values;
            using var hold = new OwnerHold(_state);
            Engine.Copy(State, &restored, sizeof(NativeLossScale));
            Scaling = scaling with { InitScale = Scaling.InitScale };
            _unscaled.Clear();
            _stepped.Clear();
        };
    }

    /// <summary>Of settings that were saved; their initial scale is that of the state.</summary>
    private static NativeLossScaleOptions Options(LossScaling saved)
    {
        try
        {
            return saved.ToNative();
        }
        catch (ArgumentOutOfRangeException exception)
        {
            throw new OptimException($"The state of the gradient scaler does not hold: {exception.Message}", exception);
        }
    }

    /// <summary>Refuses a scaler whose state does not tell all: the flag of an overflow, and which gradients are divided,
    /// are nowhere saved.</summary>
    internal void CheckBetweenCycles()
    {
        if (_unscaled.Count > 0 || _stepped.Count > 0)
        {
            throw new InvalidOperationException("The gradient scaler is between a step and Update(); save after the update.");
        }
    }

    /// <summary>Frees the state, once no work that was queued uses it.</summary>
    public void Dispose()
    {
        _disposed = true;
        Scale.Dispose();
        FoundInf.Dispose();
        _state.Dispose();
    }

    private Tensor View(float* member) => Tensor.Borrow((nint)member, DType.Float32, [], Engine, _state);

    private NativeLossScale Read()
    {
        NativeLossScale state;
        using var hold = new OwnerHold(_state);
        Engine.Copy(&state, State, sizeof(NativeLossScale));
        return state;
    }

    private void CheckOptimizer(Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        _ = State;
        optimizer.CheckWhole();
        if (optimizer.Engine.Device != Engine.Device)
        {
            throw new ArgumentException(
                $"The optimizer is on {optimizer.Engine.Device}, the scaler on {Engine.Device}; give each device a scaler of its own.",
                nameof(optimizer)
            );
        }

        if (_stepped.Contains(optimizer))
        {
            throw new InvalidOperationException("This optimizer made its step already; Update() comes between two steps.");
        }
    }
}
