using System.Text.Json;

namespace Optim.Cli.Output;

/// <summary>Results for programs: an array of objects with names such as seconds_per_step.</summary>
internal static class JsonFile
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
    };

    public static void Write<T>(FileInfo file, IReadOnlyList<T> rows)
    {
        file.Directory?.Create();
        File.WriteAllText(file.FullName, JsonSerializer.Serialize(rows, Options) + "\n");
    }
}
