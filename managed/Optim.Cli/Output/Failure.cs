namespace Optim.Cli.Output;

/// <summary>An error to be told to the user in one line; the command ends with exit code 1.</summary>
internal sealed class Failure(string message) : Exception(message);
