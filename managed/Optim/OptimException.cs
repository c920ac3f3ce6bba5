namespace Optim;

/// <summary>An error of the native library, or of state that does not fit an optimizer.</summary>
public sealed class OptimException : Exception
{
    /// <summary>An error of unknown cause.</summary>
    public OptimException()
        : this(OptimStatus.Internal, "The library failed.") { }

    /// <summary>An error with a message.</summary>
    public OptimException(string message)
        : this(OptimStatus.InvalidArgument, message) { }

    /// <summary>An error with a message and its cause.</summary>
    public OptimException(string message, Exception innerException)
        : base(message, innerException) => Status = OptimStatus.InvalidArgument;

    /// <summary>An error with its status and a message.</summary>
    public OptimException(OptimStatus status, string message)
        : base(message) => Status = status;

    /// <summary>The status that the native library returned.</summary>
    public OptimStatus Status { get; }
}
