namespace Optim;

/// <summary>Names of rules and schedules without regard to case and to what separates their words.</summary>
internal static class Spelling
{
    public static bool Equal(string name, string? given) => given is not null && Key(name) == Key(given);

    /// <summary>"AdamW", "adam-w" and "ADAM_W" have one key.</summary>
    public static string Key(string name) =>
        string.Concat(name.Where(letter => letter is not ('-' or '_' or ' '))).ToUpperInvariant();
}
