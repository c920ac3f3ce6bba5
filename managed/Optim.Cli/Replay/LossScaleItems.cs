using System.Globalization;

namespace Optim.Cli.Replay;

/// <summary>Replays cases of dynamic loss scaling: the scale after each of a series of overflows, or a training whose steps
/// are skipped by overflows.</summary>
internal static class LossScaleItems
{
    private const string Overflows = "in.overflow";

    private static readonly Dictionary<string, Func<GoldenHypers, LossScaling>> Rules = new()
    {
        ["loss_scale_amp"] = Amp,
        ["loss_scale_skip"] = Amp,
        ["loss_scale_fairseq"] = hypers => new FairseqScaling
        {
            InitScale = hypers.Number("init_scale"),
            ScaleFactor = hypers.Number("scale_factor"),
            ScaleWindow = hypers.Integer("scale_window"),
            Tolerance = hypers.Number("tolerance"),
            Threshold = Math.Max(0, hypers.Number("threshold")), // -1 is none
            MinLossScale = 0,
        },
    };

    public static bool Has(string item) => Rules.ContainsKey(item);

    public static TensorSet Replay(GoldenCase golden, Engine engine, DType dtype)
    {
        using var scaler = new GradientScaler(engine, Rules[golden.Item](golden.Hypers));
        var output = new ReplayOutput(golden);
        if (golden.Has(Overflows))
        {
            output.Add("out.scale", [.. golden.Values(Overflows).Select(overflow => Move(scaler, overflow))]);
        }
        else
        {
            Train(golden, scaler, dtype, output);
        }

        return output.Complete();
    }

    private static AmpScaling Amp(GoldenHypers hypers) =>
        new()
        {
            InitScale = hypers.Number("init_scale"),
            GrowthFactor = hypers.Number("growth_factor"),
            BackoffFactor = hypers.Number("backoff_factor"),
            GrowthInterval = hypers.Integer("growth_interval"),
        };

    private static double Move(GradientScaler scaler, double overflow)
    {
        scaler.FoundInf.CopyFromDoubles([overflow]);
        scaler.Update();
        return scaler.GetScale();
    }

    private static void Train(GoldenCase golden, GradientScaler scaler, DType dtype, ReplayOutput output)
    {
        using var tensors = new TensorBag(scaler.Engine, dtype);
        Tensor value = tensors.Load(golden, "in.param");
        Tensor gradient = tensors.Allocate(golden.Shape("in.param"));
        using var optimizer = Optimizer.Create(
            "sgd",
            scaler.Engine,
            [new Parameter(value, gradient)],
            new Dictionary<string, double>
            {
                ["lr"] = golden.Hypers.Number("lr"),
                ["momentum"] = golden.Hypers.Number("momentum"),
            });
        for (int step = 1; golden.Has(Name("in.grad", step)); step++)
        {
            gradient.CopyFromDoubles(golden.Values(Name("in.grad", step)));
            scaler.Step(optimizer);
            scaler.Update();
            output.Add(Name("out.param", step), value.ToDoubles());
            output.Add(Name("out.scale", step), [scaler.GetScale()]);
        }
    }

    private static string Name(string prefix, int step) => string.Create(CultureInfo.InvariantCulture, $"{prefix}.{step}");
}
