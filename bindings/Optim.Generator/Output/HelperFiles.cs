using System.Text.RegularExpressions;
using Optim.Generator.Header;
using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>The public record of the helper switches, and an enum for each of its members that takes named constants.
/// The header's comments say what an int32_t member is: "1: ..." a switch, "OPTIM_NAME_..." one of the constants of
/// that prefix.</summary>
internal static partial class HelperFiles
{
    private const string Struct = "optim_helpers";

    public static void Write(CHeader header, FileSet files)
    {
        var type =
            header.Structs.FirstOrDefault(type => type.Name == Struct)
            ?? throw new GeneratorException($"The header has no {Struct}.");
        CField[] fields = [.. type.Fields.Where(field => field.Name is not ("size" or "reserved"))];
        files.Add("Helpers.g.cs", Record(type, fields));
        foreach (var field in fields.Where(field => ConstantPrefix(field) is not null))
        {
            files.Add($"{Names.Pascal(field.Name)}.g.cs", Enum(header, field));
        }
    }

    private static string Record(CStruct type, CField[] fields)
    {
        var native = NativeTypes.Struct(type.Name);
        var source = new SourceText("Optim.Interop").Line("namespace Optim;").Line().Summary(type.Doc);
        source.Open("public sealed record Helpers");
        foreach (var field in fields)
        {
            source
                .Summary(Sentence(field.Doc))
                .Line($"public {PublicType(field)} {Names.Pascal(field.Name)} {{ get; init; }}")
                .Line();
        }

        source.Open($"internal unsafe {native} ToNative() => new()").Line($"Size = (ulong)sizeof({native}),");
        foreach (var field in fields)
        {
            source.Line($"{Names.Pascal(field.Name)} = {NativeValue(field)},");
        }

        source.Close("};").Line().Summary("Every member as a number, by its name in the C ABI.");
        source.Open("internal Dictionary<string, double> ToNumbers() => new()");
        foreach (var field in fields)
        {
            source.Line($"[\"{field.Name}\"] = {NativeValue(field)},");
        }

        return source.Close("};").Close().ToString();
    }

    private static string Enum(CHeader header, CField field)
    {
        var prefix = ConstantPrefix(field)!;
        var source = new SourceText("Optim.Interop").Line("namespace Optim;").Line();
        source.Summary($"Values of Helpers.{Names.Pascal(field.Name)}.");
        source.Open($"public enum {Names.Pascal(field.Name)}");
        CConstant[] constants =
        [
            .. header.Constants.Where(c => c.Name.StartsWith(prefix, StringComparison.Ordinal)).OrderBy(c => c.Value),
        ];
        foreach (var constant in constants)
        {
            var word = constant.Name[prefix.Length..].ToLowerInvariant();
            source
                .Summary($"{constant.Name}.")
                .Line($"{Names.Pascal(word)} = Native.{Names.WithoutPrefix(constant.Name)},");
            if (constant != constants[^1])
            {
                source.Line();
            }
        }

        return source.Close().ToString();
    }

    private static string PublicType(CField field) =>
        IsSwitch(field) ? "bool"
        : ConstantPrefix(field) is not null ? Names.Pascal(field.Name)
        : field.Type == "int32_t" ? "int"
        : field.Type;

    private static string NativeValue(CField field)
    {
        var name = Names.Pascal(field.Name);
        return IsSwitch(field) ? $"{name} ? 1 : 0"
            : ConstantPrefix(field) is not null ? $"(int){name}"
            : name;
    }

    private static bool IsSwitch(CField field) =>
        field.Type == "int32_t" && field.Doc.StartsWith("1:", StringComparison.Ordinal);

    private static string? ConstantPrefix(CField field) =>
        field.Type == "int32_t" && Constant().Match(field.Doc) is { Success: true } match
            ? match.Groups[1].Value
            : null;

    private static string Sentence(string doc)
    {
        var text = doc.StartsWith("1:", StringComparison.Ordinal) ? doc[2..].Trim() : doc;
        return text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..] + (text.EndsWith('.') ? "" : ".");
    }

    [GeneratedRegex(@"(OPTIM_[A-Z]+_)\.\.\.")]
    private static partial Regex Constant();
}
