using Optim.Tests.Support;

namespace Optim.Tests;

public sealed class TensorTests
{
    [Fact]
    public void Allocated_memory_is_zero_and_aligned()
    {
        using var engine = TestDevice.Open();
        using var tensor = Tensor.Allocate(engine, DType.Float32, 3, 5);
        Assert.Equal([3L, 5], tensor.Shape);
        Assert.Equal([5L, 1], tensor.Strides);
        Assert.Equal(15, tensor.ElementCount);
        Assert.Equal(60, tensor.ByteLength);
        Assert.Equal(0, tensor.Pointer % 256);
        Assert.All(tensor.ToDoubles(), value => Assert.Equal(0, value));
        Assert.Contains("[3, 5]", tensor.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Scalars_and_empty_tensors_exist()
    {
        using var engine = TestDevice.Open();
        using var scalar = Tensor.Allocate(engine, DType.Float64);
        scalar.CopyFrom([2.5]);
        Assert.Equal([2.5], scalar.ToDoubles());
        Assert.Equal(0, scalar.Rank);
        using var empty = Tensor.Allocate(engine, DType.Float32, 4, 0);
        Assert.Equal(0, empty.Pointer);
        Assert.Empty(empty.ToDoubles());
        empty.CopyFrom(Array.Empty<float>());
    }

    [Fact]
    public void Elements_go_there_and_back_in_every_type()
    {
        using var engine = TestDevice.Open();
        double[] values = [1, -0.5, 65504, 0, 1.0 / 3, double.PositiveInfinity, double.NaN];
        foreach (
            var (dtype, epsilon) in new[]
            {
                (DType.Float64, 0),
                (DType.Float32, 1 / 16777216.0),
                (DType.Float16, 1 / 2048.0),
                (DType.BFloat16, 1 / 256.0),
            }
        )
        {
            using var tensor = Tensor.Allocate(engine, dtype, values.Length);
            tensor.CopyFromDoubles(values);
            var read = tensor.ToDoubles();
            for (var i = 0; i < values.Length; i++)
            {
                var error = double.IsFinite(values[i]) ? epsilon * Math.Abs(values[i]) : 0;
                Assert.True(
                    read[i].Equals(values[i]) || Math.Abs(read[i] - values[i]) <= error,
                    $"{dtype}: {values[i]:R} became {read[i]:R}"
                );
            }
        }
    }

    [Theory]
    [InlineData(1.00390625, 1.0)] // 1 + 2^-8, a tie: to even, down
    [InlineData(1.01171875, 1.015625)] // 1 + 3 2^-8, a tie: to even, up
    [InlineData(1.0039063692092896, 1.0078125)] // a little above the first tie
    [InlineData(-1.01171875, -1.015625)]
    [InlineData(3.4e38, double.PositiveInfinity)] // above the largest
    public void BFloat16_rounds_to_nearest_even(double value, double expected)
    {
        using var engine = TestDevice.Open();
        using var tensor = Tensor.Allocate(engine, DType.BFloat16, 1);
        tensor.CopyFromDoubles([value]);
        Assert.Equal([expected], tensor.ToDoubles());
    }

    [Fact]
    public void Spans_see_memory_of_the_processor_only()
    {
        using var engine = TestDevice.Open();
        using var tensor = Tensor.Allocate(engine, DType.Float32, 2);
        if (!TestDevice.IsCpu)
        {
            Assert.Throws<InvalidOperationException>(() => tensor.AsSpan<float>().Length);
            return;
        }

        tensor.AsSpan<float>()[1] = 4;
        Assert.Equal([0.0, 4], tensor.ToDoubles());
        Assert.Equal(8, tensor.AsSpan<byte>().Length);
        Assert.Throws<ArgumentException>(() => tensor.AsSpan<double>().Length);
    }

    [Fact]
    public void Bad_memory_is_refused_by_name()
    {
        using var engine = TestDevice.Open();
        AssertRefused("null", () => Tensor.Borrow(0, DType.Float32, [2], engine));
        AssertRefused("aligned", () => Tensor.Borrow(66, DType.Float32, [2], engine));
        AssertRefused("at most 8", () => Tensor.Borrow(64, DType.Float32, [1, 1, 1, 1, 1, 1, 1, 1, 1], engine));
        AssertRefused("negative", () => Tensor.Borrow(64, DType.Float32, [2, -1], engine));
        AssertRefused("address space", () => Tensor.Borrow(64, DType.Float32, [1L << 62, 2], engine));
        AssertRefused(
            "address space",
            () => Tensor.Allocate(engine, DType.Float32, long.MaxValue, long.MaxValue, long.MaxValue)
        );
        AssertRefused("not dense", () => Tensor.Borrow(64, DType.Float32, [2, 3], engine, strides: [4, 1]));
        AssertRefused("not dense", () => Tensor.Borrow(64, DType.Float32, [2, 3], engine, strides: [1, 2]));
        AssertRefused("not dense", () => Tensor.Borrow(64, DType.Float32, [2, 3], engine, strides: [3]));
        AssertRefused("not dense", () => Tensor.Borrow(64, DType.Float32, [2, 3], engine, strides: [3, 0]));
        AssertRefused("not dense", () => Tensor.Borrow(64, DType.Float32, [2, 3], engine, strides: [-3, 1]));
        AssertRefused("storage type", () => Tensor.Borrow(64, (DType)9, [2], engine));
        AssertRefused("storage type", () => Tensor.Allocate(engine, (DType)(-1), 2));
        Assert.Throws<ArgumentNullException>(() => Tensor.Borrow(64, DType.Float32, [2], null!));
        Assert.Throws<ArgumentNullException>(() => Tensor.Allocate(null!, DType.Float32, 2));
    }

    [Fact]
    public void A_dense_permutation_is_accepted()
    {
        using var engine = TestDevice.Open();
        using var memory = Tensor.Allocate(engine, DType.Float32, 24);
        using var channelsLast = Tensor.Borrow(memory.Pointer, DType.Float32, [2, 3, 4], engine, memory, [12, 1, 3]);
        Assert.Equal([12L, 1, 3], channelsLast.Strides);
        using var single = Tensor.Borrow(memory.Pointer, DType.Float32, [1, 24, 1], engine, memory, [7, 1, 99]);
        Assert.Equal(24, single.ElementCount);
    }

    [Fact]
    public void Copies_of_the_wrong_size_or_type_are_refused()
    {
        using var engine = TestDevice.Open();
        using var tensor = Tensor.Allocate(engine, DType.Float32, 2);
        AssertRefused("2 elements, not 3", () => tensor.CopyFrom([1f, 2, 3]));
        AssertRefused("2 elements, not 1", () => tensor.CopyTo<float>(new float[1]));
        AssertRefused("Double", () => tensor.CopyFrom([1.0, 2]));
        AssertRefused("8 bytes, not 7", () => tensor.CopyTo<byte>(new byte[7]));
        AssertRefused("2 elements, not 3", () => tensor.CopyFromDoubles([1, 2, 3]));
        Assert.Throws<ArgumentNullException>(() => tensor.CopyFrom((float[])null!));
        Assert.Throws<InvalidOperationException>(() => tensor.Rebind(64));
        Assert.All(tensor.ToDoubles(), value => Assert.Equal(0, value));
    }

    private static void AssertRefused(string named, Action call) =>
        Assert.Contains(named, Assert.ThrowsAny<ArgumentException>(call).Message, StringComparison.Ordinal);
}
