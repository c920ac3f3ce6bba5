using System.Globalization;

namespace Optim.Cli.Replay;

/// <summary>Replays a trajectory: a rule, perhaps with a helper, stepped from given parameters by given
/// gradients.</summary>
internal static class Trajectory
{
    /// <summary>Why the case cannot be replayed; null when it can.</summary>
    public static string? Obstacle(GoldenCase golden)
    {
        (string name, string? helper) = GoldenHelpers.Split(golden.Item, golden.Hypers);
        return !Catalogue.TryFind(name, out RuleSchema? rule) ? $"the library has no rule '{name}'"
            : !GoldenHelpers.Knows(helper) ? $"the library has no helper '{helper}'"
            : rule.Needs.Count > 0 ? $"{name} needs {string.Join(", ", rule.Needs)}"
            : null;
    }

    public static TensorSet Replay(GoldenCase golden, Engine engine, DType dtype)
    {
        (string name, string? helper) = GoldenHelpers.Split(golden.Item, golden.Hypers);
        RuleSchema rule = Catalogue.Find(name);
        var hypers = golden.Hypers.For(rule, hyper => GoldenHelpers.BelongsToRule(hyper, helper, rule));

        using var tensors = new TensorBag(engine, dtype);
        var parameters = new List<Parameter>();
        var gradients = new List<Tensor>();
        for (int i = 0; golden.Has($"param.{i}.init"); i++)
        {
            parameters.Add(new Parameter(tensors.Load(golden, $"param.{i}.init")));
            gradients.Add(tensors.Allocate(golden.Shape($"param.{i}.init")));
        }

        var output = new ReplayOutput(golden);
        using var optimizer = Optimizer.Create(
            name,
            engine,
            parameters,
            hypers,
            GoldenHelpers.Make(helper, golden.Hypers),
            new OptimizerStorage { GradientType = dtype }
        );
        using SharpnessAwareMinimization? sharpness =
            helper == GoldenHelpers.Sam ? new(optimizer, GoldenHelpers.Sharpness(golden.Hypers)) : null;
        for (int step = 1; step <= golden.Steps; step++)
        {
            SetGradients(golden, i => Name("grad", i, step), parameters, gradients);
            if (sharpness is null)
            {
                optimizer.Step();
            }
            else
            {
                sharpness.FirstStep();
                SetGradients(golden, i => Name("aux", i, "grad2", step), parameters, gradients);
                sharpness.SecondStep();
            }
            if (golden.Recorded.Contains(step))
            {
                AddParameters(golden, step, parameters, output);
            }
        }

        AddStates(golden, optimizer, output);
        return output.Complete();
    }

    // A gradient that the case leaves out is absent: the step leaves its parameter alone.
    private static void SetGradients(
        GoldenCase golden,
        Func<int, string> nameOf,
        List<Parameter> parameters,
        List<Tensor> gradients)
    {
        for (int i = 0; i < parameters.Count; i++)
        {
            string name = nameOf(i);
            bool present = golden.Has(name);
            if (present)
            {
                gradients[i].CopyFromDoubles(golden.Values(name));
            }
            parameters[i].Gradient = present ? gradients[i] : null;
        }
    }

    private static void AddParameters(GoldenCase golden, int step, List<Parameter> parameters, ReplayOutput output)
    {
        for (int i = 0; i < parameters.Count; i++)
        {
            string name = Name("param", i, step);
            if (golden.Has(name))
            {
                output.Add(name, parameters[i].Value.ToDoubles());
            }
        }
    }

    // Of the states, those that the case expects: a rule may keep more, such as cached roots.
    private static void AddStates(GoldenCase golden, Optimizer optimizer, ReplayOutput output)
    {
        for (int i = 0; i < optimizer.Parameters.Count; i++)
        {
            foreach ((string slot, Tensor state) in optimizer.States(i))
            {
                string name = Name("state", i, slot, golden.Steps);
                if (golden.Has(name))
                {
                    output.Add(name, state.ToDoubles());
                }
            }
        }
    }

    private static string Name(params object[] parts) =>
        string.Join('.', parts.Select(part => Convert.ToString(part, CultureInfo.InvariantCulture)));
}
