using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Optim;

/// <summary>A device: the processor, or one CUDA device.</summary>
public readonly record struct Device
{
    private Device(DeviceType type, int index) => (Type, Index) = (type, index);

    /// <summary>Kind of the device.</summary>
    public DeviceType Type { get; }

    /// <summary>Ordinal among the devices of its kind; 0 for the processor.</summary>
    public int Index { get; }

    /// <summary>The host's processor.</summary>
    public static Device Cpu => default;

    /// <summary>The CUDA device of an ordinal.</summary>
    public static Device Cuda(int index = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return new Device(DeviceType.Cuda, index);
    }

    /// <summary>Reads "cpu", "cuda" or "cuda:1".</summary>
    /// <exception cref="FormatException">The text is none of these.</exception>
    public static Device Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var device)
            ? device
            : throw new FormatException(
                $"\"{text}\" is no device; allowed are \"cpu\", \"cuda\" and \"cuda:N\" with N = 0, 1, ..."
            );
    }

    /// <summary>Reads "cpu", "cuda" or "cuda:1"; false when the text is none of these.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Device device)
    {
        device = Cpu;
        switch (text)
        {
            case "cpu":
                return true;
            case "cuda":
                device = Cuda();
                return true;
        }

        const string prefix = "cuda:";
        if (
            text is null
            || !text.StartsWith(prefix, StringComparison.Ordinal)
            || !int.TryParse(text.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var index)
        )
        {
            return false;
        }

        device = Cuda(index);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() =>
        Type == DeviceType.Cpu ? "cpu" : string.Create(CultureInfo.InvariantCulture, $"cuda:{Index}");
}
