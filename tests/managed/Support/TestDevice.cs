namespace Optim.Tests.Support;

/// <summary>The device under test: OPTIM_TEST_DEVICE, such as "cuda" with the simt library, or the processor.</summary>
internal static class TestDevice
{
    public static Device Current { get; } =
        Device.Parse(Environment.GetEnvironmentVariable("OPTIM_TEST_DEVICE") ?? "cpu");

    public static bool IsCpu => Current.Type == DeviceType.Cpu;

    public static Engine Open() => new(Current);
}
