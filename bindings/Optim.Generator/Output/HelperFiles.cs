using Optim.Generator.Header;
using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>The public record of the helper switches, and an enum for each that takes words.</summary>
internal static class HelperFiles
{
    private const string Struct = "optim_helpers";

    public static void Write(CHeader header, IReadOnlyList<HyperSchema> helpers, FileSet files)
    {
        var type =
            header.Structs.FirstOrDefault(type => type.Name == Struct)
            ?? throw new GeneratorException($"The header has no {Struct}.");
        var members = type.Fields.Select(field => field.Name).Where(name => name is not ("size" or "reserved")).ToHashSet();
        if (!members.SetEquals(helpers.Select(helper => helper.Name)))
        {
            members.SymmetricExceptWith(helpers.Select(helper => helper.Name));
            throw new GeneratorException($"{Struct} and the schema's helpers differ in {string.Join(", ", members)}.");
        }

        files.Add("Helpers.g.cs", Record(type.Doc, helpers));
        foreach (var helper in helpers.Where(helper => helper.Kind == HyperKind.Word))
        {
            files.Add($"{Names.Pascal(helper.Name)}.g.cs", HyperText.Words("Helpers", "", helper));
        }
    }

    private static string Record(string doc, IReadOnlyList<HyperSchema> helpers)
    {
        var native = NativeTypes.Struct(Struct);
        var source = new SourceText("Optim.Interop").Line("namespace Optim;").Line().Summary(doc);
        source.Open("public sealed record Helpers");
        foreach (var helper in helpers)
        {
            source
                .Summary(Summary(helper))
                .Line($"public {PublicType(helper)} {Names.Pascal(helper.Name)} {{ get; init; }}")
                .Line();
        }

        source.Open($"internal unsafe {native} ToNative() => new()").Line($"Size = (ulong)sizeof({native}),");
        foreach (var helper in helpers)
        {
            source.Line($"{Names.Pascal(helper.Name)} = {HyperText.ToNumber(helper)},");
        }

        source.Close("};").Line().Summary("Every member as a number, by its name in the C ABI.");
        source.Open("internal Dictionary<string, double> ToNumbers() => new()");
        foreach (var helper in helpers)
        {
            source.Line($"[\"{helper.Name}\"] = {HyperText.ToNumber(helper)},");
        }

        return source.Close("};").Close().ToString();
    }

    private static string Summary(HyperSchema helper) =>
        HyperText.Sentence(helper.Doc) + (helper.Default == 0 ? "" : $" 0 stands for {helper.DefaultText}.");

    // What is a whole number has 32 bits in the struct.
    private static string PublicType(HyperSchema helper) =>
        helper.Kind == HyperKind.Whole ? "int" : HyperText.PropertyType("", helper);
}
