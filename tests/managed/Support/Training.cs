namespace Optim.Tests.Support;

/// <summary>A run in which everything that a checkpoint must keep matters: a schedule, a scaler that meets overflows, inputs
/// that come and go, a parameter whose gradients come late, intervals that do not divide the steps.</summary>
internal sealed class Training : IDisposable
{
    private const int Late = 1;
    private const long LateStep = 7;

    private static readonly Dictionary<string, double> s_settings = new()
    {
        ["k"] = 4,
        ["lookahead_merge_time"] = 4,
        ["preconditioning_compute_steps"] = 3,
        ["statistics_compute_steps"] = 2,
        ["gamma"] = 0.5,
        ["dampening"] = 0.5,
        ["momentum"] = 0.75,
    };

    private readonly Model _model;
    private readonly Tensor _lateGradient;
    private readonly Dictionary<string, Tensor>[] _inputs;

    public Training(
        string rule,
        Helpers? helpers = null,
        LearningRateSchedule? schedule = null,
        DType dtype = DType.Float32,
        LossScaling? scaling = null,
        double rate = 0.05
    )
    {
        _model = new Model(dtype);
        var hypers = Catalogue.Find(rule).Hypers.Select(hyper => hyper.Name).ToHashSet();
        var values = s_settings.Where(pair => hypers.Contains(pair.Key)).ToDictionary(pair => pair.Key, pair => pair.Value);
        Optimizer = _model.Optimizer(rule, new Dictionary<string, double>(values) { ["lr"] = rate }, helpers);
        Scheduler = new LearningRateScheduler(Optimizer, schedule ?? Cosine);
        Scaler = new GradientScaler(_model.Engine, scaling ?? new AmpScaling { InitScale = 64, GrowthInterval = 3 });
        _lateGradient = _model.Parameters[Late].Gradient!;
        _inputs =
        [
            .. _model.Parameters.Select(parameter =>
                Optimizer.Rule.Needs.ToDictionary(name => name, name => parameter.Inputs[name]!)
            ),
        ];
    }

    public static LearningRateSchedule Cosine => new CosineSchedule { MaxLearningRate = 0.05, TMax = 12, WarmupSteps = 3 };

    public static Helpers AllHelpers(string rule) =>
        new()
        {
            LookaheadK = 4,
            LookaheadAlpha = 0.5,
            LookaheadPullback = Catalogue.Find(rule).Slots.Any(slot => slot.Role == "first_moment")
                ? LookaheadPullback.Pullback
                : LookaheadPullback.None,
            ClipNorm = 1,
            Centralize = true,
            Normalize = true,
            AgcClipVal = 0.5,
            SkipNonfinite = true,
        };

    public Optimizer Optimizer { get; }

    public LearningRateScheduler Scheduler { get; }

    public GradientScaler Scaler { get; }

    public Checkpoint Checkpoint => new(Optimizer) { Scheduler = Scheduler, Scaler = Scaler };

    public double[] Values => _model.Values;

    public void Train(long first, long last)
    {
        for (var step = first; step <= last; step++)
        {
            SetInputs(step);
            _model.Parameters[Late].Gradient = step < LateStep ? null : _lateGradient;
            var overflow = step is 3 or 8;
            _model.SetGradients(step, overflow ? double.PositiveInfinity : Scaler.GetScale());
            Scheduler.Next();
            Scaler.Step(Optimizer);
            Scaler.Update();
        }
    }

    public void CopyValuesTo(Training other) => _model.CopyValuesTo(other._model);

    public void Dispose()
    {
        Scaler.Dispose();
        Optimizer.Dispose();
        _lateGradient.Dispose();
        foreach (var tensor in _inputs.SelectMany(inputs => inputs.Values))
        {
            tensor.Dispose();
        }

        _model.Dispose();
    }

    private void SetInputs(long step)
    {
        for (var i = 0; i < _inputs.Length; i++)
        {
            foreach (var (name, tensor) in _inputs[i])
            {
                _model.Parameters[i].Inputs[name] = step % 3 == 1 ? tensor : null;
            }
        }
    }
}
