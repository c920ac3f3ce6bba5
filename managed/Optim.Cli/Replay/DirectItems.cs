namespace Optim.Cli.Replay;

/// <summary>Replays cases of direct inputs (in.*) and outputs (out.*) through the helpers that stand alone, loss
/// scaling, matrix roots and the schedules.</summary>
internal static class DirectItems
{
    private static readonly Dictionary<string, Action<DirectRun>> Table = new()
    {
        ["agc"] = run =>
        {
            HelperFunctions.Agc(
                run.Engine,
                run.In("param"),
                run.In("grad"),
                run.Hypers.Number("agc_clip_val"),
                run.Hypers.Number("agc_eps"),
                run.Hypers.Number("eps"));
            run.Out("grad");
        },
        ["clip_by_global_norm"] = run =>
        {
            run.Out(
                "norm",
                HelperFunctions.ClipGradNorm(
                    run.Engine,
                    run.In("grad"),
                    run.Hypers.Number("max_norm"),
                    run.Hypers.Number("norm_type"),
                    run.Hypers.Number("eps")));
            run.Out("grad");
        },
        ["clip_by_value"] = run =>
        {
            HelperFunctions.ClipGradValue(run.Engine, run.In("grad"), run.Hypers.Number("clip_value"));
            run.Out("grad");
        },
        ["gradient_centralization"] = run =>
        {
            HelperFunctions.Centralize(run.Engine, run.In("grad"), run.Hypers.Flag("gc_conv_only"));
            run.Out("grad");
        },
        ["softplus"] = run =>
        {
            HelperFunctions.Softplus(run.Engine, run.In("x"), run.Hypers.Number("beta_softplus"));
            run.Out("y", run.In("x"));
        },
        ["gradient_normalization"] = run =>
        {
            HelperFunctions.Normalize(
                run.Engine,
                run.In("grad"),
                run.Hypers.Flag("use_channels"),
                run.Hypers.Number("epsilon"));
            run.Out("grad");
        },
        ["norm_loss"] = run =>
        {
            HelperFunctions.NormLoss(
                run.Engine,
                run.In("param"),
                run.Hypers.Number("lr"),
                run.Hypers.Number("norm_loss_factor"),
                run.Hypers.Number("eps"));
            run.Out("param");
        },
        ["pcgrad"] = run =>
        {
            Tensor[] merged = run.Like("grad.0");
            long[] shape = run.Shape("has_grad");
            if (shape is not [var tasks, var each] || each != merged.Length)
            {
                string found = string.Join(", ", shape);
                throw new FormatException($"in.has_grad has shape [{found}], expected [tasks, {merged.Length}]");
            }
            double[] present = run.Values("has_grad");
            Tensor?[][] gradients =
            [
                .. Enumerable
                    .Range(0, (int)tasks)
                    .Select(task =>
                        run.In($"grad.{task}")
                            .Select((grad, i) => present[(task * merged.Length) + i] != 0 ? grad : null)
                            .ToArray()),
            ];
            int[][] order = [.. run.Integers("order").Select(other => (int)other).Chunk((int)Math.Max(1, tasks - 1))];
            GradientSurgery.Merge(
                run.Engine,
                gradients,
                merged,
                run.Hypers.Choice<GradientReduction>("reduction"),
                tasks > 1 ? order : null);
            run.Out("grad", merged);
        },
        ["sam_perturb"] = run =>
        {
            Tensor[] old = run.Like("param");
            SharpnessOptions options = GoldenHelpers.Sharpness(run.Hypers);
            HelperFunctions.SamPerturb(run.Engine, run.In("param"), run.In("grad"), old, options);
            run.Out("perturbed", run.In("param"));
            HelperFunctions.SamRestore(run.Engine, run.In("param"), old);
            run.Out("restored", run.In("param"));
        },
        ["stable_weight_decay"] = run =>
        {
            run.Out(
                "rms",
                HelperFunctions.StableWeightDecay(
                    run.Engine,
                    run.In("param"),
                    run.In("v"),
                    run.Hypers.Number("lr"),
                    run.Hypers.Number("weight_decay"),
                    run.Hypers.Number("beta2"),
                    run.Hypers.Integer("step")));
            run.Out("param");
        },
        ["unit_norm"] = run => run.Out("norm", HelperFunctions.UnitNorm(run.Engine, run.In("x")[0])),
    };

    /// <summary>Why the case cannot be replayed; null when it can.</summary>
    public static string? Obstacle(GoldenCase golden) =>
        Table.ContainsKey(golden.Item)
        || LossScaleItems.Has(golden.Item)
        || RootItems.Has(golden.Item)
        || Catalogue.TryFindSchedule(golden.Item, out _)
            ? null
            : $"the library has no '{golden.Item}' that stands alone";

    public static TensorSet Replay(GoldenCase golden, Engine engine, DType dtype)
    {
        if (!Table.TryGetValue(golden.Item, out Action<DirectRun>? replay))
        {
            return LossScaleItems.Has(golden.Item) ? LossScaleItems.Replay(golden, engine, dtype)
                : RootItems.Has(golden.Item) ? RootItems.Replay(golden, engine, dtype)
                : ScheduleItems.Replay(golden);
        }

        using var run = new DirectRun(golden, engine, dtype);
        replay(run);
        return run.Complete();
    }

    /// <summary>One case on its way: its inputs on the device, its outputs as they come.</summary>
    private sealed class DirectRun(GoldenCase golden, Engine engine, DType dtype) : IDisposable
    {
        private readonly TensorBag _tensors = new(engine, dtype);
        private readonly Dictionary<string, Tensor> _inputs = [];
        private readonly ReplayOutput _output = new(golden);

        public Engine Engine => engine;

        public GoldenHypers Hypers => golden.Hypers;

        /// <summary>The input of that name, or the inputs NAME.0, NAME.1, ...; loaded once.</summary>
        public Tensor[] In(string name) =>
            [
                .. Names("in", name)
                    .Select(input =>
                    {
                        if (!_inputs.TryGetValue(input, out Tensor? tensor))
                        {
                            _inputs[input] = tensor = _tensors.Load(golden, input);
                        }
                        return tensor;
                    }),
            ];

        public long[] Shape(string name) => golden.Shape($"in.{name}").ToArray();

        public double[] Values(string name) => golden.Values($"in.{name}");

        public long[] Integers(string name) => golden.Integers($"in.{name}");

        /// <summary>Zeros in the shapes of those inputs.</summary>
        public Tensor[] Like(string name) => [.. Names("in", name).Select(input => _tensors.Allocate(golden.Shape(input)))];

        /// <summary>The inputs of that name, changed in place, are the outputs of the same name.</summary>
        public void Out(string name) => Out(name, In(name));

        public void Out(string name, Tensor[] tensors)
        {
            foreach ((string output, Tensor tensor) in Names("out", name).Zip(tensors))
            {
                _output.Add(output, tensor.ToDoubles());
            }
        }

        public void Out(string name, params double[] values) => _output.Add($"out.{name}", values);

        public TensorSet Complete() => _output.Complete();

        public void Dispose() => _tensors.Dispose();

        private IEnumerable<string> Names(string side, string name)
        {
            string single = $"{side}.{name}";
            return golden.Has(single)
                ? [single]
                : Enumerable.Range(0, int.MaxValue).Select(i => $"{single}.{i}").TakeWhile(golden.Has);
        }
    }
}
