using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Optim.Generator.Header;

/// <summary>Reads a C header through clang's JSON syntax tree. The only class that knows clang: a binding such as
/// CppSharp would take its place.</summary>
internal static class ClangHeaderReader
{
    private static readonly string[] s_compilers =
    [
        "clang",
        .. Enumerable
            .Range(14, 12)
            .Reverse()
            .Select(version => string.Create(CultureInfo.InvariantCulture, $"clang-{version}")),
    ];

    public static CHeader Read(string path, string prefix)
    {
        var compiler = FindCompiler();
        using var tree = JsonDocument.Parse(
            Run(
                compiler,
                "-x",
                "c",
                "-std=c99",
                "-fsyntax-only",
                "-fparse-all-comments",
                "-Xclang",
                "-ast-dump=json",
                path
            )
        );
        var constants = ReadConstants(Run(compiler, "-x", "c", "-E", "-dM", path), prefix.ToUpperInvariant());
        var structs = new Dictionary<string, CStruct>();
        var functions = new List<CFunction>();
        foreach (var node in tree.RootElement.GetProperty("inner").EnumerateArray())
        {
            if (!Text(node, "name").StartsWith(prefix, StringComparison.Ordinal))
            {
                continue;
            }

            switch (Text(node, "kind"))
            {
                case "RecordDecl":
                    structs[Text(node, "name")] = ReadStruct(node);
                    break;
                case "FunctionDecl":
                    functions.Add(ReadFunction(node));
                    break;
            }
        }

        return new CHeader(constants, [.. structs.Values], functions);
    }

    private static CStruct ReadStruct(JsonElement node) =>
        new(
            Text(node, "name"),
            Doc(node),
            !node.TryGetProperty("completeDefinition", out _),
            [.. Children(node, "FieldDecl").Select(ReadField)]
        );

    private static CField ReadField(JsonElement node)
    {
        var type = Type(node);
        var bracket = type.IndexOf('[', StringComparison.Ordinal);
        return bracket < 0
            ? new CField(Text(node, "name"), type, 0, Doc(node))
            : new CField(
                Text(node, "name"),
                type[..bracket].Trim(),
                int.Parse(type[(bracket + 1)..^1], CultureInfo.InvariantCulture),
                Doc(node)
            );
    }

    private static CFunction ReadFunction(JsonElement node)
    {
        var type = Type(node);
        return new CFunction(
            Text(node, "name"),
            type[..type.IndexOf('(', StringComparison.Ordinal)].Trim(),
            Doc(node),
            [
                .. Children(node, "ParmVarDecl")
                    .Select(parameter => new CParameter(Text(parameter, "name"), Type(parameter))),
            ]
        );
    }

    private static List<CConstant> ReadConstants(string macros, string prefix)
    {
        var constants = new List<CConstant>();
        foreach (var line in macros.Split('\n'))
        {
            var words = line.Split(' ', 3);
            if (
                words is ["#define", var name, var text]
                && name.StartsWith(prefix, StringComparison.Ordinal)
                && long.TryParse(
                    text.Trim(),
                    NumberStyles.AllowLeadingSign,
                    CultureInfo.InvariantCulture,
                    out var value
                )
            )
            {
                constants.Add(new CConstant(name, value));
            }
        }

        return constants;
    }

    private static string Doc(JsonElement node) =>
        string.Join(' ', Children(node, "FullComment").SelectMany(Words).Select(text => text.Trim())).Trim();

    private static IEnumerable<string> Words(JsonElement comment) =>
        Text(comment, "kind") == "TextComment" ? [Text(comment, "text")] : Children(comment, null).SelectMany(Words);

    private static IEnumerable<JsonElement> Children(JsonElement node, string? kind) =>
        node.TryGetProperty("inner", out var inner)
            ? inner.EnumerateArray().Where(child => kind is null || Text(child, "kind") == kind)
            : [];

    private static string Type(JsonElement node) => Text(node.GetProperty("type"), "qualType");

    private static string Text(JsonElement node, string name) =>
        node.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static string FindCompiler()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        return s_compilers
                .SelectMany(name => folders.Select(folder => Path.Combine(folder, name)))
                .FirstOrDefault(File.Exists)
            ?? throw new GeneratorException(
                "clang is needed to read the header, and PATH has none; cmake/setup-debian.sh installs it."
            );
    }

    private static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(
            new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true }
        )!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output
            : throw new GeneratorException($"{program} {string.Join(' ', arguments)} failed:\n{errors.Result}");
    }
}
