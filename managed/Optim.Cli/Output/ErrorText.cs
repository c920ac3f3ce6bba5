using System.Text.RegularExpressions;

namespace Optim.Cli.Output;

/// <summary>What an exception says, as one line for a user.</summary>
internal static partial class ErrorText
{
    public static string Of(Exception exception)
    {
        // Type initializers and reflection wrap the exception that says what happened.
        Exception cause = exception;
        while (
            cause is TypeInitializationException or System.Reflection.TargetInvocationException or AggregateException
            && cause.InnerException is { } inner)
        {
            cause = inner;
        }
        return Control().Replace(LineBreak().Replace(ParameterSuffix().Replace(cause.Message, ""), " ").Trim(), "?");
    }

    // ArgumentException appends the name of the C# parameter, which means nothing on a command line.
    [GeneratedRegex(@"\s*\(Parameter '[^']*'\)")]
    private static partial Regex ParameterSuffix();

    [GeneratedRegex(@"\s*[\r\n]+\s*")]
    private static partial Regex LineBreak();

    // Files and arguments may hold what a terminal would obey.
    [GeneratedRegex(@"\p{Cc}")]
    private static partial Regex Control();
}
