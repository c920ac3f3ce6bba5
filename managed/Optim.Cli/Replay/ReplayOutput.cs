namespace Optim.Cli.Replay;

/// <summary>Collects computed values under the names of a case's expected tensors, and in their shapes.</summary>
internal sealed class ReplayOutput(GoldenCase golden)
{
    private readonly TensorSet _tensors = new();

    /// <summary>Adds values that the case expects; the library must have computed as many.</summary>
    public void Add(string name, double[] values)
    {
        ReadOnlySpan<long> shape = golden.Shape(name);
        long count = 1;
        foreach (long size in shape)
        {
            count *= size;
        }

        if (count != values.Length)
        {
            throw new FormatException($"{golden.Name}: {name} has {values.Length} elements, expected {count}");
        }

        _tensors.Add(name, values, shape);
    }

    /// <summary>All that was added, once every expected tensor is there.</summary>
    public TensorSet Complete()
    {
        string[] missing = [.. golden.Expected.Where(name => !_tensors.Tensors.ContainsKey(name))];
        if (missing.Length > 0)
        {
            throw new FormatException($"{golden.Name}: the library has no {string.Join(", ", missing.Take(5))}");
        }

        _tensors.Metadata["case"] = golden.Name;
        return _tensors;
    }
}
