using System.Reflection;
using System.Runtime.Loader;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Optim.Tests.Support;

/// <summary>C# programs in the documentation: compiled, with warnings as errors, and run in this process.</summary>
internal static partial class Snippet
{
    // What a new project has without asking.
    private const string ImplicitUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Threading.Tasks;
        """;

    /// <summary>Every program with its place, "docs/checkpoints.md:3" for the line at which it begins.</summary>
    public static IReadOnlyDictionary<string, string> All { get; } =
        Pages().SelectMany(Programs).ToDictionary(program => program.Place, program => program.Code);

    /// <summary>Runs a program in a folder of its own.</summary>
    public static void Run(string place)
    {
        var trees = new[] { ImplicitUsings, All[place] }.Select(code => CSharpSyntaxTree.ParseText(code));
        var options = new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable);
        var compilation = CSharpCompilation.Create("Optim.Snippet", trees, References(), options);
        using var image = new MemoryStream();
        var result = compilation.Emit(image);
        Assert.Empty(result.Diagnostics.Where(found => found.Severity >= DiagnosticSeverity.Warning).Select(found => $"{place}: {found}"));
        image.Position = 0;
        var context = new AssemblyLoadContext(place, isCollectible: true);
        var before = Environment.CurrentDirectory;
        using var scratch = new Scratch();
        try
        {
            Environment.CurrentDirectory = scratch.Folder;
            context.LoadFromStream(image).EntryPoint!.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [Array.Empty<string>()], null);
        }
        finally
        {
            Environment.CurrentDirectory = before;
            context.Unload();
        }
    }

    private static IEnumerable<MetadataReference> References()
    {
        var platform = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator);
        var own = Directory.EnumerateFiles(AppContext.BaseDirectory, "Optim*.dll");
        return platform.Concat(own).DistinctBy(Path.GetFileName).Select(path => MetadataReference.CreateFromFile(path));
    }

    private static IEnumerable<string> Pages() =>
        new[] { "docs", "managed" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Checkout.Root, folder), "*.md", SearchOption.AllDirectories))
            .Append(Path.Combine(Checkout.Root, "README.md"))
            .Order(StringComparer.Ordinal);

    private static IEnumerable<(string Place, string Code)> Programs(string page)
    {
        var text = File.ReadAllText(page);
        foreach (Match match in Fence().Matches(text))
        {
            var line = text.AsSpan(0, match.Index).Count('\n') + 1;
            yield return ($"{Path.GetRelativePath(Checkout.Root, page)}:{line}", match.Groups[1].Value);
        }
    }

    [GeneratedRegex("^```csharp\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();
}
