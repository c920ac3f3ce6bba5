using Optim.Tests.Support;
using Optim.TorchSharp.Tests.Support;

namespace Optim.TorchSharp.Tests;

/// <summary>Training through libtorch's autograd: what the adapter steps equals, to the bit, what the facade makes of plain
/// buffers with the same gradients.</summary>
public sealed class TrainingTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_loss_falls(bool setToNone)
    {
        using var engine = new Engine();
        using var network = new Perceptron();
        using var parameters = TorchParameters.From(engine, network.Parameters, tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters, new AdamWOptions { LearningRate = 0.02 });
        var first = network.Backward();
        var last = first;
        for (var step = 1; step <= 200; step++)
        {
            optimizer.Step();
            parameters.ZeroGrad(setToNone);
            last = network.Backward();
        }

        Assert.InRange(last, 0, first / 4);
        Assert.Equal(200, optimizer.StepCount());
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void Every_rule_steps_as_on_plain_buffers(string rule)
    {
        using var scratch = new Scratch();
        using var engine = new Engine();
        using var network = new Perceptron();
        using var twin = new PlainTwin(engine, network);
        using var parameters = TorchParameters.From(engine, network.NamedParameters, tensor => tensor.Handle);
        using var inputs = new Inputs(engine, rule, parameters, twin.Parameters);
        using var optimizer = Optimizer.Create(rule, engine, parameters);
        using var expected = Optimizer.Create(rule, engine, twin.Parameters);
        var start = network.Values;
        for (var step = 1; step <= 12; step++)
        {
            parameters.ZeroGrad(setToNone: step % 3 != 0);
            network.Backward();
            twin.CopyGradients();
            optimizer.Step();
            expected.Step();
            Assert.Equal(twin.Values, network.Values);
        }

        Assert.NotEqual(start, network.Values);
        expected.Save(scratch.File("expected"));
        optimizer.Save(scratch.File("actual"));
        Assert.Equal(File.ReadAllBytes(scratch.File("expected")), File.ReadAllBytes(scratch.File("actual")));
    }

    [Theory]
    [InlineData((int)TorchType.Float64, DType.Float64)]
    [InlineData((int)TorchType.Float16, DType.Float16)]
    [InlineData((int)TorchType.BFloat16, DType.BFloat16)]
    public void Types_are_those_of_the_tensors(int torchType, DType dtype)
    {
        using var engine = new Engine();
        using var network = new Perceptron((TorchType)torchType);
        using var twin = new PlainTwin(engine, network, dtype);
        using var parameters = TorchParameters.From(engine, network.Parameters, tensor => tensor.Handle);
        using var optimizer = new Lamb(engine, parameters);
        using var expected = new Lamb(engine, twin.Parameters);
        Assert.All(parameters, parameter => Assert.Equal(dtype, parameter.Value.DType));
        for (var step = 1; step <= 4; step++)
        {
            network.GiveGradients(step, (TorchType)torchType);
            twin.CopyGradients();
            optimizer.Step();
            expected.Step();
        }

        Assert.Equal(twin.Values, network.Values);
    }

    [Fact]
    public void Groups_have_options_of_their_own()
    {
        using var engine = new Engine();
        using var network = new Perceptron();
        using var twin = new PlainTwin(engine, network);
        using var weights = TorchParameters.From(engine, network.Parameters.Where((_, i) => i % 2 == 0), tensor => tensor.Handle);
        using var biases = TorchParameters.From(engine, network.Parameters.Where((_, i) => i % 2 == 1), tensor => tensor.Handle);
        using var optimizer = Make(weights, biases);
        using var expected = Make(twin.Parameters.Where((_, i) => i % 2 == 0), twin.Parameters.Where((_, i) => i % 2 == 1));
        for (var step = 1; step <= 5; step++)
        {
            network.Backward();
            twin.CopyGradients();
            optimizer.Step();
            expected.Step();
        }

        Assert.Equal(twin.Values, network.Values);

        AdamW Make(IEnumerable<Parameter> first, IEnumerable<Parameter> second) =>
            new(
                engine,
                [
                    new ParameterGroup<AdamWOptions>(first, new AdamWOptions { WeightDecay = 0.1 }),
                    new ParameterGroup<AdamWOptions>(second, new AdamWOptions { LearningRate = 0.05, WeightDecay = 0 }),
                ]
            );
    }

    [Fact]
    public void Scaled_gradients_are_found_and_unscaled_in_place()
    {
        using var engine = new Engine();
        using var network = new Perceptron();
        using var parameters = TorchParameters.From(engine, network.Parameters, tensor => tensor.Handle);
        using var optimizer = new Adam(engine, parameters);
        using var scaler = new GradientScaler(engine, new AmpScaling { InitScale = 4 });
        network.GiveGradients(seed: 3);
        scaler.Unscale(optimizer);
        scaler.Step(optimizer);
        scaler.Update();
        using var gradient = network.Parameters[2].Gradient!;
        double[] expected = [.. TorchTensor.Numbers(Perceptron.Shapes[2], seed: 5).Select(number => number / 4)];
        Assert.Equal(expected, gradient.ToDoubles(expected.Length));
        Assert.Equal(1, optimizer.StepCount());
    }

    [Fact]
    public void Sharpness_aware_minimization_follows_gradients_that_the_closure_makes_anew()
    {
        using var engine = new Engine();
        using var network = new Perceptron();
        using var twin = new PlainTwin(engine, network);
        using var twinNetwork = new Perceptron();
        using var parameters = TorchParameters.From(engine, network.Parameters, tensor => tensor.Handle);
        using var others = TorchParameters.From(engine, twinNetwork.Parameters, tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters, new AdamWOptions { LearningRate = 0.02 });
        using var other = new AdamW(engine, others, new AdamWOptions { LearningRate = 0.02 });
        using var sam = new SharpnessAwareMinimization(optimizer);
        using var otherSam = new SharpnessAwareMinimization(other);
        var first = sam.Step(() => Loss(network, parameters, setToNone: true));
        otherSam.Step(() => Loss(twinNetwork, others, setToNone: false));
        var last = first;
        for (var step = 2; step <= 100; step++)
        {
            last = sam.Step(() => Loss(network, parameters, setToNone: true));
            otherSam.Step(() => Loss(twinNetwork, others, setToNone: false));
        }

        Assert.InRange(last, 0, first / 2);
        Assert.Equal(twinNetwork.Values, network.Values);

        static double Loss(Perceptron network, TorchParameters parameters, bool setToNone)
        {
            parameters.ZeroGrad(setToNone);
            return network.Backward();
        }
    }

    [Fact]
    public void States_have_the_names_of_the_parameters_and_go_on_after_a_restart()
    {
        using var scratch = new Scratch();
        using var engine = new Engine();
        using var network = new Perceptron();
        using var parameters = TorchParameters.From(engine, network.NamedParameters, tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters);
        network.GiveGradients(seed: 1);
        optimizer.Step();
        optimizer.Save(scratch.File("run.safetensors"));
        Assert.Contains("state.1.weight.exp_avg", optimizer.StateDict().Tensors.Keys);

        using var copy = new Perceptron();
        foreach (var (tensor, from) in copy.Parameters.Zip(network.Parameters))
        {
            using var values = TorchTensor.Make(from.ToDoubles(Count(from)), ShapeOf(from));
            tensor.SetData(values);
        }

        using var restored = TorchParameters.From(engine, copy.NamedParameters, tensor => tensor.Handle);
        using var next = new AdamW(engine, restored);
        next.Load(scratch.File("run.safetensors"));
        network.GiveGradients(seed: 2);
        copy.GiveGradients(seed: 2);
        optimizer.Step();
        next.Step();
        Assert.Equal(network.Values, copy.Values);

        long[] ShapeOf(TorchTensor tensor) => Perceptron.Shapes[Array.IndexOf(network.Parameters, tensor)];
        long Count(TorchTensor tensor) => Perceptron.Count(Array.IndexOf(network.Parameters, tensor));
    }

    /// <summary>What a rule takes besides gradients, the same for two lists of parameters.</summary>
    private sealed class Inputs : IDisposable
    {
        private readonly List<Tensor> _tensors = [];

        public Inputs(Engine engine, string rule, params IReadOnlyList<Parameter>[] lists)
        {
            foreach (var name in Catalogue.Find(rule).Needs)
            {
                foreach (var parameter in lists.SelectMany(list => list))
                {
                    var tensor = Tensor.Allocate(engine, DType.Float32, parameter.Value.Shape);
                    tensor.CopyFromDoubles(TorchTensor.Numbers(parameter.Value.Shape.ToArray(), seed: 9));
                    parameter.Inputs[name] = tensor;
                    _tensors.Add(tensor);
                }
            }
        }

        public void Dispose() => _tensors.ForEach(tensor => tensor.Dispose());
    }
}
