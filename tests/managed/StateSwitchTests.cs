using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>A hyper-parameter that decides which states exist may change: those that come begin as in a new optimizer, all
/// others and the step counts stay.</summary>
public sealed class StateSwitchTests
{
    [Theory]
    [ClassData(typeof(Rules))]
    public void States_come_and_go_with_their_hyper(string rule)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        foreach (var slot in optimizer.Rule.Slots.Where(slot => slot.When.Length > 0))
        {
            model.Train(optimizer, optimizer.StepCount() + 1, optimizer.StepCount() + 2);
            var hyper = optimizer.Rule.Hypers[optimizer.Rule.IndexOf(slot.When)];
            var (values, counted) = (model.Values, optimizer.StepCount());
            var before = Contents(optimizer);
            var was = optimizer.Groups[0][hyper.Name];
            optimizer.Groups[0][hyper.Name] = Other(hyper, slot, was);

            var after = Contents(optimizer);
            Assert.NotEqual(before.Keys, after.Keys);
            Assert.All(after.Where(state => before.ContainsKey(state.Key)), state => Assert.Equal(before[state.Key], state.Value));
            Assert.Equal(values, model.Values);
            Assert.Equal(counted, optimizer.StepCount());
            model.Train(optimizer, counted + 1, counted + 1);

            optimizer.Groups[0][hyper.Name] = was;
            Assert.Equal(before.Keys, Contents(optimizer).Keys);
            optimizer.Step();
            Assert.All(model.Values, value => Assert.True(double.IsFinite(value)));
        }
    }

    /// <summary>What torch.optim.SGD does when momentum comes at the third step: its buffer begins with the gradient.</summary>
    [Fact]
    public void Momentum_may_begin_later()
    {
        using var engine = TestDevice.Open();
        using var value = Tensor.Allocate(engine, DType.Float64, 1);
        using var gradient = Tensor.Allocate(engine, DType.Float64, 1);
        using var optimizer = new SGD(engine, [new Parameter(value, gradient)], new SGDOptions { LearningRate = 1, Momentum = 0 });
        gradient.CopyFrom([1.0]);
        optimizer.Step();
        optimizer.Step();
        optimizer.Groups[0].Options = optimizer.Groups[0].Options with { Momentum = 0.5 };
        Assert.Equal([0], optimizer.States(0)["momentum_buffer"].ToDoubles());
        optimizer.Step(); // buffer 1
        optimizer.Step(); // buffer 1.5
        Assert.Equal([-4.5], value.ToDoubles());
    }

    [Fact]
    public void Only_the_group_that_changes_has_other_states()
    {
        using var model = new Model();
        ParameterGroup[] groups = [new(model.Parameters.Take(1)), new(model.Parameters.Skip(1))];
        using var optimizer = Optimizer.Create("sgd", model.Engine, groups);
        groups[1]["momentum"] = 0.9;
        Assert.Empty(optimizer.States(0));
        Assert.Single(optimizer.States(1));
        model.Train(optimizer, 1, 2);
        groups[1]["lr"] = 0.5;
        Assert.Equal(0.5, groups[1].LearningRate);
        var kept = optimizer.States(1)["momentum_buffer"].ToDoubles();
        groups[0]["momentum"] = 0.9;
        Assert.Equal(kept, optimizer.States(1)["momentum_buffer"].ToDoubles());
    }

    [Fact]
    public void A_value_that_is_refused_changes_nothing()
    {
        using var model = new Model();
        using var optimizer = Optimizer.Create("sgd", model.Engine, model.Parameters, new Dictionary<string, double> { ["momentum"] = 0.5 });
        var state = optimizer.States(0)["momentum_buffer"];
        Assert.Throws<ArgumentException>(() => optimizer.Groups[0]["momentum"] = -1);
        model.Parameters[1].Value.Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.Groups[0]["momentum"] = 0); // which needs a new plan
        Assert.Equal(0.5, optimizer.Groups[0]["momentum"]);
        Assert.Equal([.. new double[12]], state.ToDoubles());
    }

    [Fact]
    public void A_run_whose_states_have_changed_resumes()
    {
        using var model = new Model();
        using var resumedModel = new Model();
        using var optimizer = model.Optimizer("sgd");
        model.Train(optimizer, 1, 2);
        optimizer.Groups[0]["momentum"] = 0.9;
        model.Train(optimizer, 3, 4);
        using var resumed = resumedModel.Optimizer("sgd");
        resumed.LoadStateDict(optimizer.StateDict());
        model.CopyValuesTo(resumedModel);
        model.Train(optimizer, 5, 6);
        resumedModel.Train(resumed, 5, 6);
        Assert.Equal(model.Values, resumedModel.Values);
        StateTests.AssertSame(optimizer.StateDict(), resumed.StateDict());
    }

    private static double Other(HyperSchema hyper, SlotSchema slot, double now)
    {
        if (slot.WhenWords.Count == 0)
        {
            return now != 0 ? 0 : hyper.Allows(0.5) ? 0.5 : 1;
        }

        var exists = slot.WhenWords.Contains(hyper.Words[(int)now]);
        return hyper.Parse(hyper.Words.First(word => slot.WhenWords.Contains(word) != exists));
    }

    private static SortedDictionary<string, double[]> Contents(Optimizer optimizer) =>
        new(
            Enumerable
                .Range(0, optimizer.Parameters.Count)
                .SelectMany(i => optimizer.States(i).Select(state => ($"{i}.{state.Key}", state.Value.ToDoubles())))
                .ToDictionary(state => state.Item1, state => state.Item2)
        );
}
