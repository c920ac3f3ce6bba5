namespace Optim.Cli.Replay;

/// <summary>Replays a trajectory: a rule, perhaps with a helper, stepped from given parameters by given
/// gradients.</summary>
internal static class Trajectory
{
    /// <summary>Why the case cannot be replayed; null when it can.</summary>
    public static string? Obstacle(GoldenCase golden)
    {
        (string name, string? helper) = GoldenHelpers.Split(golden.Item, golden.Hypers);
        return !Catalogue.TryFind(name, out _) ? $"the library has no rule '{name}'"
            : !GoldenHelpers.Knows(helper) ? $"the library has no helper '{helper}'"
            : null;
    }

    public static TensorSet Replay(GoldenCase golden, Engine engine, DType dtype)
    {
        (string name, string? helper) = GoldenHelpers.Split(golden.Item, golden.Hypers);
        RuleSchema rule = Catalogue.Find(name);
        var hypers = golden.Hypers.For(rule, hyper => GoldenHelpers.BelongsToRule(hyper, helper, rule));

        using var tensors = new TensorBag(engine, dtype);
        var inputs = new TrajectoryInputs(golden, tensors, rule.Needs);
        var output = new ReplayOutput(golden);
        using var optimizer = Optimizer.Create(
            name,
            engine,
            [new ParameterGroup(inputs.Parameters, hypers) { StepsByGroup = golden.CountsByGroup }],
            GoldenHelpers.Make(helper, golden.Hypers),
            new OptimizerStorage { GradientType = dtype }
        );
        using SharpnessAwareMinimization? sharpness =
            helper == GoldenHelpers.Sam ? new(optimizer, GoldenHelpers.Sharpness(golden.Hypers)) : null;
        for (int step = 1; step <= golden.Steps; step++)
        {
            inputs.Give(step);
            if (sharpness is null)
            {
                optimizer.Step();
            }
            else
            {
                sharpness.FirstStep();
                inputs.GiveSecondGradients(step);
                sharpness.SecondStep();
            }
            if (golden.Recorded.Contains(step))
            {
                AddParameters(golden, step, inputs.Parameters, output);
            }
        }

        AddStates(golden, optimizer, output);
        return output.Complete();
    }

    private static void AddParameters(
        GoldenCase golden,
        int step,
        IReadOnlyList<Parameter> parameters,
        ReplayOutput output)
    {
        for (int i = 0; i < parameters.Count; i++)
        {
            string name = TensorName.Of("param", i, step);
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
            IReadOnlyDictionary<string, Tensor> states = optimizer.States(i);
            foreach ((string slot, Tensor state) in states)
            {
                string name = TensorName.Of("state", i, slot, golden.Steps);
                if (golden.Has(name))
                {
                    output.Add(name, state.ToDoubles());
                }
            }
            foreach (SlotSchema slot in optimizer.Rule.Slots.Where(slot => !states.ContainsKey(slot.Name)))
            {
                string name = TensorName.Of("state", i, slot.Name, golden.Steps);
                if (slot.When.Length > 0 && golden.Has(name))
                {
                    output.Add(name, Initial(golden, i, slot, name));
                }
            }
        }
    }

    // A state that an option leaves out; the reference keeps it as it was in the beginning.
    private static double[] Initial(GoldenCase golden, int parameter, SlotSchema slot, string name) =>
        slot.Initial switch
        {
            "zero" => new double[golden.Values(name).Length],
            "param" => golden.Values(TensorName.Of("param", parameter, "init")),
            _ => throw new FormatException(
                $"{golden.Name}: {slot.When} leaves out {name}; its initial value '{slot.Initial}' cannot be written"),
        };
}
