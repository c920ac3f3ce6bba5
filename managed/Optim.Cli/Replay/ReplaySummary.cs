using Optim.Cli.Output;
using Spectre.Console;

namespace Optim.Cli.Replay;

/// <summary>What became of the cases of a folder.</summary>
internal sealed class ReplaySummary
{
    private readonly SortedDictionary<string, int> _replayed = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, List<string>> _skipped = new(StringComparer.Ordinal);
    private readonly List<(string Name, string Message)> _failed = [];

    public int Failed => _failed.Count;

    public void Replay(string item) => _replayed[item] = _replayed.GetValueOrDefault(item) + 1;

    public void Skip(string name, string reason)
    {
        if (!_skipped.TryGetValue(reason, out List<string>? names))
        {
            _skipped[reason] = names = [];
        }
        names.Add(name);
    }

    public void Fail(string name, string message) => _failed.Add((name, message));

    public void Write(IAnsiConsole console)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumns("Outcome", "Cases", "What");
        foreach ((string item, int count) in _replayed)
        {
            table.AddRow(Cells.Of("replayed", NumberText.Count(count), item));
        }
        foreach ((string reason, List<string> names) in _skipped)
        {
            table.AddRow(Cells.Of("skipped", NumberText.Count(names.Count), reason));
        }
        foreach ((string name, string message) in _failed)
        {
            table.AddRow(Cells.Of("failed", name, message));
        }
        console.Write(table);
        int replayed = _replayed.Values.Sum(), skipped = _skipped.Values.Sum(names => names.Count);
        console.WriteLine($"{replayed} replayed, {skipped} skipped, {_failed.Count} failed");
    }
}
