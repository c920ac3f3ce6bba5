namespace Optim.Generator.Output;

/// <summary>All files the generator writes, by their path in the repository.</summary>
internal sealed class FileSet
{
    private const string GeneratedFolder = "managed/Optim/Generated";

    private readonly SortedDictionary<string, string> _files = new(StringComparer.Ordinal);

    public void Add(string name, string text) => AddAt($"{GeneratedFolder}/{name}", text);

    public void AddAt(string path, string text)
    {
        if (!_files.TryAdd(path, text))
        {
            throw new GeneratorException($"Two files would be {path}.");
        }
    }

    /// <summary>Writes what changed and deletes generated files that no longer belong; returns what it
    /// touched.</summary>
    public IReadOnlyList<string> Write(string root)
    {
        var stale = Stale(root);
        foreach (var path in stale)
        {
            var target = Path.Combine(root, path);
            if (_files.TryGetValue(path, out var text))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.WriteAllText(target, text);
            }
            else
            {
                File.Delete(target);
            }
        }

        return stale;
    }

    /// <summary>Files that are missing, differ, or should not be there.</summary>
    public IReadOnlyList<string> Stale(string root)
    {
        var folder = Path.Combine(root, GeneratedFolder);
        var present = Directory.Exists(folder)
            ? Directory
                .EnumerateFiles(folder, "*.g.cs", SearchOption.AllDirectories)
                .Select(path => Path.GetRelativePath(root, path).Replace('\\', '/'))
            : [];
        return
        [
            .. _files
                .Where(file => !HasText(Path.Combine(root, file.Key), file.Value))
                .Select(file => file.Key)
                .Concat(present.Where(path => !_files.ContainsKey(path)))
                .Order(StringComparer.Ordinal),
        ];
    }

    private static bool HasText(string path, string text) => File.Exists(path) && File.ReadAllText(path) == text;
}
