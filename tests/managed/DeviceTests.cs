namespace Optim.Tests;

public sealed class DeviceTests
{
    [Fact]
    public void Names_are_read_and_written()
    {
        Assert.Equal(Device.Cpu, Device.Parse("cpu"));
        Assert.Equal(Device.Cuda(), Device.Parse("cuda"));
        Assert.Equal(Device.Cuda(12), Device.Parse("cuda:12"));
        Assert.Equal("cpu", Device.Cpu.ToString());
        Assert.Equal("cuda:3", Device.Cuda(3).ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("gpu")]
    [InlineData("CUDA")]
    [InlineData("cuda:")]
    [InlineData("cuda:-1")]
    [InlineData("cuda: 1")]
    [InlineData("cuda:99999999999")]
    [InlineData("cpu:0")]
    public void Other_names_are_refused(string text)
    {
        var message = Assert.Throws<FormatException>(() => Device.Parse(text)).Message;
        Assert.Contains($"\"{text}\"", message, StringComparison.Ordinal);
        Assert.Contains("cuda:N", message, StringComparison.Ordinal);
        Assert.False(Device.TryParse(text, out _));
    }

    [Fact]
    public void There_is_one_processor_and_no_negative_device()
    {
        Assert.Equal(1, Engine.DeviceCount(DeviceType.Cpu));
        Assert.True(Engine.DeviceCount(DeviceType.Cuda) >= 0);
        Assert.Throws<OptimException>(() => Engine.DeviceCount((DeviceType)7));
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.Cuda(-1));
    }

    [Fact]
    public void A_device_that_is_not_there_is_named()
    {
        var index = Engine.DeviceCount(DeviceType.Cuda) + 100;
        var exception = Assert.Throws<OptimException>(() => new Engine(Device.Cuda(index)));
        Assert.NotEqual(OptimStatus.Ok, exception.Status);
        Assert.NotEmpty(exception.Message);
    }

    [Fact]
    public void Engines_describe_themselves_and_refuse_bad_options()
    {
        using var engine = new Engine(Device.Cpu, threads: 1);
        Assert.Equal(Device.Cpu, engine.Device);
        Assert.NotEmpty(engine.Description);
        engine.Synchronize();
        engine.SetStream(0);
        Assert.Throws<OptimException>(() => engine.SetStream(64));
        Assert.Throws<OptimException>(() => new Engine(Device.Cpu, stream: 64));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Engine(Device.Cpu, threads: -1));
    }
}
