using Optim.Tests.Support;
using Optim.TorchSharp.Tests.Support;

namespace Optim.TorchSharp.Tests;

/// <summary>What cannot be served is refused with its index and what is allowed; nothing is changed or kept.</summary>
public sealed class MisuseTests
{
    [Theory]
    [InlineData("sparse", "is sparse; allowed are dense")]
    [InlineData("csr", "cannot be read: libtorch: ")]
    [InlineData("meta", "is on a device of type 14; allowed is the device of the engine, cpu")]
    [InlineData("square", "allowed are leaves")]
    [InlineData("negated", "is the negative of what is in memory; allowed is what resolve_neg() makes of it")]
    public void Other_forms_are_refused(string form, string said)
    {
        using var tensor = TorchTensor.Make([2, 3]);
        using var other = tensor.Form(form);
        AssertRefused(other, said);
    }

    [Fact]
    public void Only_an_engine_on_the_device_of_the_tensors_serves_them()
    {
        using var engine = TestDevice.Open();
        using var tensor = TorchTensor.Make([2, 3]);
        var exception = Record.Exception(() => TorchParameters.From(engine, [tensor], tensor => tensor.Handle).Dispose());
        if (TestDevice.IsCpu)
        {
            Assert.Null(exception);
            return;
        }

        Assert.IsType<NotSupportedException>(exception);
        Assert.Contains("Tensor 0 is on cpu; allowed is the device of the engine, cuda:0", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData((int)TorchType.Int64, "is Int64")]
    [InlineData((int)TorchType.ComplexFloat32, "is ComplexFloat32")]
    public void Other_types_are_refused(int type, string said)
    {
        using var tensor = TorchTensor.Make([2, 3], 0, (TorchType)type, requiresGrad: false);
        AssertRefused(tensor, said + "; allowed are Float32, Float64, Float16 and BFloat16");
    }

    [Theory]
    [InlineData(new long[] { 2, 3 }, new long[] { 1, 2 })] // transposed
    [InlineData(new long[] { 3, 2 }, new long[] { 4, 2 })] // every other column
    [InlineData(new long[] { 4, 3 }, new long[] { 0, 1 })] // expanded
    public void Strides_that_are_not_dense_are_refused(long[] shape, long[] strides)
    {
        using var storage = TorchTensor.Make([12], requiresGrad: false);
        using var tensor = storage.Strided(shape, strides);
        AssertRefused(tensor, "are not dense with dimension 0 outermost");
    }

    [Fact]
    public void Too_many_dimensions_are_refused()
    {
        using var tensor = TorchTensor.Make([1, 1, 1, 1, 1, 1, 1, 1, 2]);
        AssertRefused(tensor, "at most 8 dimensions");
    }

    [Fact]
    public void Arguments_that_are_null_are_refused()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([2]);
        Assert.Throws<ArgumentNullException>(() => TorchParameters.From(null!, [tensor], tensor => tensor.Handle));
        Assert.Throws<ArgumentNullException>(() => TorchParameters.From(engine, (TorchTensor[])null!, tensor => tensor.Handle));
        Assert.Throws<ArgumentNullException>(() => TorchParameters.From(engine, [tensor], null!));
        var message = Assert.Throws<InvalidOperationException>(() => TorchParameters.From(engine, [0], handle => handle)).Message;
        Assert.Contains("Tensor 0 is gone: its handle is 0", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_that_is_given_twice_is_refused()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([4]);
        using var same = tensor.Strided([4], [1]);
        using var parameters = TorchParameters.From(engine, [("first", tensor), ("second", same)], tensor => tensor.Handle);
        var message = Assert.Throws<ArgumentException>(() => new AdamW(engine, parameters)).Message;
        Assert.Contains("0 (\"first\") and 1 (\"second\") overlap in memory", message, StringComparison.Ordinal);
        Assert.Contains("Give the optimizer one of them", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tied_weights_in_two_groups_are_refused()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([4]);
        using var tied = tensor.Form("tied");
        using var first = TorchParameters.From(engine, [("embedding", tensor)], tensor => tensor.Handle);
        using var second = TorchParameters.From(engine, [("head", tied)], tensor => tensor.Handle);
        var message = Assert.Throws<ArgumentException>(
            () => new AdamW(engine, [new ParameterGroup<AdamWOptions>(first), new ParameterGroup<AdamWOptions>(second)])
        ).Message;
        Assert.Contains("\"embedding\"", message, StringComparison.Ordinal);
        Assert.Contains("\"head\"", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Gradients_that_cannot_be_served_stop_the_step_before_it_changes_anything()
    {
        using var engine = new Engine();
        using var network = new Perceptron();
        using var parameters = TorchParameters.From(engine, network.Parameters, tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters);
        network.GiveGradients(seed: 1);
        optimizer.Step();
        var before = network.Values;
        using var dense = TorchTensor.Make(Perceptron.Shapes[2], requiresGrad: false);
        using var sparse = dense.Form("sparse");
        using var meta = dense.Form("meta");
        using var transposed = dense.Strided(Perceptron.Shapes[2], [1, 2]);
        using var reshaped = dense.Strided([8, 2], [2, 1]);
        using var wide = TorchTensor.Make(Perceptron.Shapes[2], 0, TorchType.Float64, requiresGrad: false);
        using var complex = TorchTensor.Make(Perceptron.Shapes[2], 0, TorchType.ComplexFloat32, requiresGrad: false);
        AssertStops<NotSupportedException>(sparse, "The gradient of Tensor 2 is sparse");
        AssertStops<NotSupportedException>(meta, "The gradient of Tensor 2 is on a device of type 14");
        AssertStops<NotSupportedException>(transposed, "The gradient of Tensor 2 is Float32 [2, 8] with strides [1, 2]; allowed are");
        AssertStops<NotSupportedException>(reshaped, "The gradient of Tensor 2 is Float32 [8, 2]");
        AssertStops<NotSupportedException>(complex, "The gradient of Tensor 2 is ComplexFloat32");
        AssertStops<InvalidOperationException>(wide, "The gradient of parameter 2 is Float64; the optimizer was made for Float32");

        network.GiveGradients(seed: 2);
        optimizer.Step();
        Assert.Equal(2, optimizer.StepCount());
        Assert.NotEqual(before, network.Values);

        void AssertStops<T>(TorchTensor gradient, string said)
            where T : Exception
        {
            network.Parameters[2].Gradient = gradient;
            Assert.Contains(said, Assert.Throws<T>(optimizer.Step).Message, StringComparison.Ordinal);
            Assert.Equal(before, network.Values);
            Assert.Equal(1, optimizer.StepCount());
        }
    }

    [Fact]
    public void A_parameter_that_becomes_another_stops_the_step()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([2, 3]);
        using var parameters = TorchParameters.From(engine, [tensor], tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters);
        using var wide = TorchTensor.Make([2, 3], 0, TorchType.Float64, requiresGrad: false);
        using var tall = TorchTensor.Make([3, 2], requiresGrad: false);
        foreach (var other in new[] { wide, tall })
        {
            tensor.SetData(other);
            var message = Assert.Throws<InvalidOperationException>(optimizer.Step).Message;
            Assert.Contains("the optimizer was made for Float32[2, 3] on cpu", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Gradients_of_another_type_are_served_when_all_have_it()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([3], 0, TorchType.BFloat16);
        using var gradient = TorchTensor.Make([3], 1, TorchType.Float32, requiresGrad: false);
        tensor.Gradient = gradient;
        using var parameters = TorchParameters.From(engine, [tensor], tensor => tensor.Handle);
        using var optimizer = new SGD(engine, parameters, new SGDOptions { LearningRate = 1 });
        optimizer.Step();
        Assert.Equal(DType.Float32, parameters[0].Gradient!.DType);
        Assert.NotEqual(TorchTensor.Numbers([3], seed: 0), tensor.ToDoubles(3));
    }

    private static void AssertRefused(TorchTensor tensor, string said)
    {
        using var engine = new Engine();
        using var good = TorchTensor.Make([4]);
        (string, TorchTensor)[] tensors = [("good", good), ("bad", tensor)];
        var message = Assert.Throws<NotSupportedException>(() => TorchParameters.From(engine, tensors, tensor => tensor.Handle)).Message;
        Assert.Contains("Tensor 1 (\"bad\")", message, StringComparison.Ordinal);
        Assert.Contains(said, message, StringComparison.Ordinal);
        Assert.Equal(1, good.StorageUses);
    }
}
