using Optim.Tests.Support;
using Optim.TorchSharp.Tests.Support;

namespace Optim.TorchSharp.Tests;

/// <summary>Parameters and gradients that come, move and go between steps.</summary>
public sealed class FollowingTests
{
    [Fact]
    public void Two_handles_of_one_tensor_are_stepped_once()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([4], requiresGrad: true);
        using var other = TorchTensor.Make([3]);
        using var tied = tensor.Form("tied");
        using var gradient = TorchTensor.Make([4], seed: 1, requiresGrad: false);
        tensor.Gradient = gradient;
        (string, TorchTensor)[] named = [("embedding", tensor), ("other", other), ("head", tied)];
        using var parameters = TorchParameters.From(engine, named, tensor => tensor.Handle);
        Assert.Equal(["embedding", "other"], parameters.Select(parameter => parameter.Name));
        using var optimizer = new SGD(engine, parameters, new SGDOptions { LearningRate = 1, Momentum = 0 });
        var expected = tensor.ToDoubles(4).Zip(gradient.ToDoubles(4), (value, slope) => value - slope);
        optimizer.Step();
        Assert.Equal(expected, tensor.ToDoubles(4));
        tied.Dispose();
        optimizer.Step();
        parameters.ZeroGrad();
        Assert.False(tensor.HasGradient);
    }

    [Fact]
    public void A_negation_that_is_pending_in_a_gradient_is_made()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([4]);
        using var gradient = TorchTensor.Make([4], seed: 1, requiresGrad: false);
        using var negated = gradient.Form("negated");
        tensor.Gradient = negated;
        using var parameters = TorchParameters.From(engine, [tensor], tensor => tensor.Handle);
        using var optimizer = new SGD(engine, parameters, new SGDOptions { LearningRate = 1, Momentum = 0 });
        for (var step = 0; step < 2; step++)
        {
            var expected = tensor.ToDoubles(4).Zip(gradient.ToDoubles(4), (value, slope) => value + slope);
            optimizer.Step();
            Assert.Equal(expected, tensor.ToDoubles(4));
        }
    }

    [Fact]
    public void A_parameter_without_gradient_is_left_alone_until_one_appears()
    {
        using var engine = new Engine();
        using var network = new Perceptron();
        using var parameters = TorchParameters.From(engine, network.Parameters, tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters);
        var start = network.Values;
        optimizer.Step();
        Assert.Equal(start, network.Values);

        network.GiveGradients(seed: 1);
        network.Parameters[1].Gradient = null;
        optimizer.Step();
        Assert.Null(parameters[1].Gradient);
        AssertChanged([true, false, true, true], start, network.Values);

        var middle = network.Values;
        network.GiveGradients(seed: 2);
        network.Parameters[0].Gradient = null;
        optimizer.Step();
        AssertChanged([false, true, true, true], middle, network.Values);
    }

    [Fact]
    public void A_parameter_that_requires_no_gradient_is_left_alone()
    {
        using var engine = new Engine();
        using var network = new Perceptron();
        using var frozen = TorchTensor.Make([3], requiresGrad: false);
        using var parameters = TorchParameters.From(engine, network.Parameters.Append(frozen), tensor => tensor.Handle);
        using var optimizer = new SGD(engine, parameters);
        network.Backward();
        optimizer.Step();
        Assert.Equal(TorchTensor.Numbers([3], seed: 0), frozen.ToDoubles(3));
    }

    [Fact]
    public void What_has_not_moved_is_not_bound_again()
    {
        using var engine = new Engine();
        using var network = new Perceptron();
        using var parameters = TorchParameters.From(engine, network.Parameters, tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters);
        network.Backward();
        optimizer.Step();
        nint[] pointers = [.. parameters.Select(parameter => parameter.Gradient!.Pointer)];
        Tensor[] gradients = [.. parameters.Select(parameter => parameter.Gradient!)];
        parameters.ZeroGrad(setToNone: false);
        Assert.All(network.Parameters, parameter => Assert.True(parameter.HasGradient));
        network.Backward();
        optimizer.Step();
        Assert.Equal(pointers, parameters.Select(parameter => parameter.Gradient!.Pointer));

        using var other = TorchTensor.Make(Perceptron.Shapes[2], seed: 4, requiresGrad: false);
        network.Parameters[2].Gradient = other;
        optimizer.Step();
        Assert.NotEqual(pointers[2], parameters[2].Gradient!.Pointer);
        Assert.Equal(pointers[3], parameters[3].Gradient!.Pointer);
        Assert.Equal(gradients, parameters.Select(parameter => parameter.Gradient!));
    }

    [Fact]
    public void A_parameter_that_moves_is_followed()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([5]);
        using var gradient = TorchTensor.Make([5], seed: 1, requiresGrad: false);
        using var elsewhere = TorchTensor.Make([5], seed: 2, requiresGrad: false);
        using var parameters = TorchParameters.From(engine, [tensor], tensor => tensor.Handle);
        using var optimizer = new SGD(engine, parameters, new SGDOptions { LearningRate = 0.5 });
        tensor.SetData(elsewhere);
        tensor.Gradient = gradient;
        optimizer.Step();
        var expected = TorchTensor.Numbers([5], seed: 2).Zip(TorchTensor.Numbers([5], seed: 1), (p, g) => p - (0.5 * g));
        Assert.Equal(expected, elsewhere.ToDoubles(5));
    }

    [Fact]
    public void A_view_is_stepped_where_it_begins_and_in_its_own_order()
    {
        using var engine = new Engine();
        using var storage = TorchTensor.Make([2, 3, 4], requiresGrad: false);
        using var channelsLast = storage.Strided([2, 4, 3], [12, 1, 4]);
        using var gradient = TorchTensor.Make([2, 3, 4], seed: 1, requiresGrad: false);
        using var channelsLastGradient = gradient.Strided([2, 4, 3], [12, 1, 4]);
        channelsLast.Gradient = channelsLastGradient;
        using var parameters = TorchParameters.From(engine, [channelsLast], tensor => tensor.Handle);
        using var optimizer = new SGD(engine, parameters, new SGDOptions { LearningRate = 0.5 });
        optimizer.Step();
        double[] expected =
        [
            .. TorchTensor.Numbers([2, 3, 4], seed: 0).Zip(TorchTensor.Numbers([2, 3, 4], seed: 1), (p, g) => p - (0.5 * g)),
        ];
        Assert.Equal(expected, storage.ToDoubles(24));
    }

    [Theory]
    [InlineData(new long[] { }, new long[] { })]
    [InlineData(new long[] { 1, 3 }, new long[] { 7, 1 })]
    [InlineData(new long[] { 3, 1, 1 }, new long[] { 1, 5, 2 })]
    public void Strides_that_do_not_matter_need_not_agree(long[] shape, long[] strides)
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make(shape);
        using var gradient = TorchTensor.Make(shape, seed: 1, requiresGrad: false);
        using var strided = gradient.Strided(shape, strides);
        using var parameters = TorchParameters.From(engine, [tensor], tensor => tensor.Handle);
        using var optimizer = new SGD(engine, parameters, new SGDOptions { LearningRate = 0.5 });
        tensor.Gradient = strided;
        optimizer.Step();
        var expected = TorchTensor.Numbers(shape, seed: 0).Zip(TorchTensor.Numbers(shape, seed: 1), (p, g) => p - (0.5 * g));
        Assert.Equal(expected, tensor.ToDoubles(expected.Count()));
    }

    [Fact]
    public void Tensors_without_elements_are_served()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([0, 3]);
        using var gradient = TorchTensor.Make([0, 3], requiresGrad: false);
        using var parameters = TorchParameters.From(engine, [tensor], tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters);
        tensor.Gradient = gradient;
        optimizer.Step();
        Assert.False(optimizer.ReadStepCounts()[0].Stepped); // there is nothing to step
    }

    [Fact]
    public void Zeroing_drops_gradients_or_sets_them_to_zero()
    {
        using var engine = new Engine();
        using var network = new Perceptron();
        using var parameters = TorchParameters.From(engine, network.Parameters, tensor => tensor.Handle);
        parameters.ZeroGrad(setToNone: false);
        Assert.All(network.Parameters, parameter => Assert.False(parameter.HasGradient));
        network.Backward();
        parameters.ZeroGrad(setToNone: false);
        for (var i = 0; i < network.Parameters.Length; i++)
        {
            using var gradient = network.Parameters[i].Gradient!;
            Assert.All(gradient.ToDoubles(Perceptron.Count(i)), value => Assert.Equal(0, value));
        }

        parameters.ZeroGrad();
        Assert.All(network.Parameters, parameter => Assert.False(parameter.HasGradient));
        Assert.All(parameters, parameter => Assert.Null(parameter.Gradient));
    }

    [Fact]
    public void Steps_with_gradients_in_place_allocate_nothing()
    {
        using var engine = new Engine();
        using var network = new Perceptron();
        using var parameters = TorchParameters.From(engine, network.Parameters, tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters);
        network.Backward();
        Allocation.AssertNone(() =>
        {
            optimizer.Step();
            parameters.ZeroGrad(setToNone: false);
        });
    }

    private static void AssertChanged(bool[] expected, double[][] before, double[][] after) =>
        Assert.Equal(expected, before.Zip(after, (first, second) => !first.SequenceEqual(second)));
}
