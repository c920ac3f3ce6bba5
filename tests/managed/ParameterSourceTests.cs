using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>A source of parameters is asked before every use of them, once for all it has.</summary>
public sealed class ParameterSourceTests
{
    [Fact]
    public void Everything_that_uses_parameters_asks_their_source()
    {
        using var model = new Model();
        var source = new Source(model.Parameters);
        using var optimizer = new AdamW(model.Engine, source.Parameters);
        AssertAsked(() => optimizer.Step());
        AssertAsked(() => optimizer.Step(default));
        AssertAsked(() => optimizer.Refresh());
        AssertAsked(() => Assert.True(optimizer.BytesPerStep > 0));
        using var scaler = new GradientScaler(model.Engine);
        AssertAsked(() => scaler.Unscale(optimizer));
        AssertAsked(() => new SharpnessAwareMinimization(optimizer).Dispose());
        using var sam = new SharpnessAwareMinimization(optimizer);
        AssertAsked(sam.FirstStep);
        AssertAsked(sam.SecondStep);
        AssertAsked(() => new AdamW(model.Engine, source.Parameters).Dispose());

        void AssertAsked(Action action)
        {
            var before = source.Asked;
            action();
            Assert.Equal(before + 1, source.Asked);
        }
    }

    [Fact]
    public void Gradients_that_a_source_finds_are_stepped()
    {
        using var model = new Model();
        using var expected = new Model();
        var source = new Source(model.Parameters);
        using var optimizer = new AdamW(model.Engine, source.Parameters);
        using var other = new AdamW(expected.Engine, expected.Parameters);
        Assert.All(source.Parameters, parameter => Assert.NotNull(parameter.Gradient));
        model.Train(optimizer, 1, 3);
        expected.Train(other, 1, 3);
        Assert.Equal(expected.Values, model.Values);
    }

    [Fact]
    public void What_a_source_throws_stops_the_step()
    {
        using var model = new Model();
        var source = new Source(model.Parameters);
        using var optimizer = new AdamW(model.Engine, source.Parameters);
        optimizer.Step();
        var before = model.Values;
        source.Failure = new NotSupportedException("as a test wants it");
        Assert.Same(source.Failure, Assert.Throws<NotSupportedException>(optimizer.Step));
        Assert.Throws<NotSupportedException>(() => new AdamW(model.Engine, source.Parameters));
        Assert.Equal(before, model.Values);
        Assert.Equal(1, optimizer.StepCount());
        source.Failure = null;
        optimizer.Step();
        Assert.Equal(2, optimizer.StepCount());
    }

    /// <summary>Parameters of a model, whose gradients it gives only when it is asked.</summary>
    private sealed class Source : IParameterSource
    {
        private readonly IReadOnlyList<Parameter> _from;

        public Source(IReadOnlyList<Parameter> from)
        {
            _from = from;
            Parameters = [.. from.Select(parameter => new Parameter(parameter.Value) { Source = this })];
        }

        public IReadOnlyList<Parameter> Parameters { get; }

        public int Asked { get; private set; }

        public Exception? Failure { get; set; }

        public void Refresh()
        {
            Asked++;
            if (Failure is not null)
            {
                throw Failure;
            }

            foreach (var (parameter, from) in Parameters.Zip(_from))
            {
                parameter.Gradient = from.Gradient;
            }
        }
    }
}
