namespace Optim.Generator;

/// <summary>Something the generator needs is missing or unsound; the message is for its user.</summary>
internal sealed class GeneratorException(string message) : Exception(message);
