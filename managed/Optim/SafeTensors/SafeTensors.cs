namespace Optim;

/// <summary>Files of the safetensors format.</summary>
public static class SafeTensors
{
    /// <summary>Reads a whole file into memory.</summary>
    /// <exception cref="FormatException">The file is no sound safetensors file.</exception>
    public static TensorSet Load(string path)
    {
        using var file = SafeTensorsFile.Open(path);
        return TensorSet.CopyOf(file);
    }

    /// <summary>Writes all tensors of a source. A file of that name is replaced only once the new one is complete on
    /// disk.</summary>
    public static void Save(string path, ITensorSource source)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(source);
        AtomicFile.Write(path, stream => SafeTensorsWriter.Write(stream, source));
    }
}
