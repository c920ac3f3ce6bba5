using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>A helper switched on in an optimizer does what the function of its own does before the step.</summary>
public sealed class HelperSwitchTests
{
    public static TheoryData<string> Names() => ["clip value", "clip norm", "agc", "centralize", "normalize"];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_switch_equals_the_function(string helper)
    {
        using var switched = new Model();
        using var optimizer = switched.Optimizer("sgd", helpers: Switch(helper));
        optimizer.Step();

        using var called = new Model();
        using var plain = called.Optimizer("sgd");
        Call(helper, called);
        plain.Step();

        using var neither = new Model();
        using var without = neither.Optimizer("sgd");
        without.Step();
        Assert.NotEqual(neither.Values, switched.Values);
        Assert.All(switched.Values.Zip(called.Values), pair => Assert.Equal(pair.Second, pair.First, 1e-6));
    }

    [Fact]
    public void Skip_nonfinite_skips_the_whole_step()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("adamw", helpers: new Helpers { SkipNonfinite = true });
        var before = model.Values;
        var gradient = model.Parameters[1].Gradient!;
        var numbers = gradient.ToDoubles();
        numbers[3] = double.NaN;
        gradient.CopyFromDoubles(numbers);
        optimizer.Step();
        Assert.Equal(before, model.Values);
        Assert.Equal(0, optimizer.StepCount());
    }

    private static Helpers Switch(string helper) =>
        helper switch
        {
            "clip value" => new Helpers { ClipValue = 0.25 },
            "clip norm" => new Helpers { ClipNorm = 0.5 },
            "agc" => new Helpers { AgcClipVal = 0.125 },
            "centralize" => new Helpers { Centralize = true },
            "normalize" => new Helpers { Normalize = true },
            _ => throw new ArgumentOutOfRangeException(nameof(helper), helper, "No such helper."),
        };

    private static void Call(string helper, Model model)
    {
        Tensor[] parameters = [.. model.Parameters.Select(parameter => parameter.Value)];
        Tensor[] gradients = [.. model.Parameters.Select(parameter => parameter.Gradient!)];
        switch (helper)
        {
            case "clip value":
                HelperFunctions.ClipGradValue(model.Engine, gradients, 0.25);
                break;
            case "clip norm":
                HelperFunctions.ClipGradNorm(model.Engine, gradients, 0.5);
                break;
            case "agc":
                HelperFunctions.Agc(model.Engine, parameters, gradients, 0.125);
                break;
            case "centralize":
                HelperFunctions.Centralize(model.Engine, gradients);
                break;
            case "normalize":
                HelperFunctions.Normalize(model.Engine, gradients);
                break;
        }
    }
}
