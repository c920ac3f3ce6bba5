namespace Optim;

/// <summary>Named tensors that can be read piece by piece: a file, a dictionary in memory, or the states of an
/// optimizer.</summary>
public interface ITensorSource
{
    /// <summary>Free text beside the tensors.</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensors by name.</summary>
    IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Reads bytes of one tensor.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="offset">First byte, counted from the beginning of the tensor.</param>
    /// <param name="destination">Filled completely.</param>
    void Read(string name, long offset, Span<byte> destination);
}
