using System.CommandLine;
using Optim.Generator;
using Optim.Generator.Header;
using Optim.Generator.Output;
using Optim.Generator.Text;

var check = new Option<bool>("--check")
{
    Description = "Only compare; exit with 1 and name the files that are stale.",
};
var output = new Option<string?>("--output")
{
    Description = "Folder to write to, laid out like the repository (default: the repository).",
};
var library = new Option<string?>("--library")
{
    Description = "Native library whose schema is read (default: OPTIM_LIBRARY, then artifacts/lib).",
};
var command = new RootCommand(
    "Generates the C# interop and classes, the Python module's declarations and pages of docs, from optim.h and the native "
        + "library's schema."
)
{
    check,
    output,
    library,
};
command.SetAction(arguments =>
{
    try
    {
        return Generate(arguments.GetValue(check), arguments.GetValue(output), arguments.GetValue(library));
    }
    catch (Exception exception) when (exception is GeneratorException or IOException or FormatException)
    {
        Console.Error.WriteLine(exception.Message);
        return 2;
    }
});
return command.Parse(args).Invoke();

static int Generate(bool check, string? output, string? library)
{
    var root = Repository.Find();
    var header = ClangHeaderReader.Read(Path.Combine(root, Repository.Header), Names.Prefix);
    var (rules, schedules) = SchemaLibrary.Read(Path.GetFullPath(library ?? Repository.DefaultLibrary(root)));
    var files = new FileSet();
    InteropFiles.Write(header, files);
    HelperFiles.Write(header, files);
    RuleFiles.Write(rules, files);
    ScheduleFiles.Write(schedules, files);
    files.AddAt(PythonFile.Path, PythonFile.Text(header));
    files.AddAt("docs/optimizers.md", OptimizersPage.Text(rules, Pictures(root)));
    files.AddAt("docs/schedules.md", SchedulesPage.Text(schedules));

    var target = Path.GetFullPath(output ?? root);
    var stale = check ? files.Stale(target) : files.Write(target);
    foreach (var path in stale)
    {
        Console.WriteLine(check ? $"stale: {path}" : $"wrote: {path}");
    }

    return check && stale.Count > 0 ? 1 : 0;
}

// The names of those that `optim plot` has drawn.
static HashSet<string> Pictures(string root)
{
    var folder = Path.Combine(root, "docs", "images");
    return Directory.Exists(folder)
        ? [.. Directory.EnumerateFiles(folder, "*.svg").Select(path => Path.GetFileName(path))]
        : [];
}
