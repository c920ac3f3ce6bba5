using Spectre.Console;

namespace Optim.Cli.Output;

/// <summary>Cells of tables whose text is shown as it is, brackets included.</summary>
internal static class Cells
{
    public static Text[] Of(params string[] cells) => [.. cells.Select(cell => new Text(cell))];

    /// <summary>An enumerator as the schema spells it.</summary>
    public static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
