using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>Hyper-parameters as properties of a class, and an enum for each that takes words.</summary>
internal static class HyperText
{
    public static void WriteEnums(
        string folder,
        string title,
        string type,
        IReadOnlyList<HyperSchema> hypers,
        FileSet files
    )
    {
        foreach (var hyper in hypers.Where(hyper => hyper.Kind == HyperKind.Word))
        {
            files.Add($"{folder}/{Enum(type, hyper)}.g.cs", Words(title, type, hyper));
        }
    }

    public static string Summary(HyperSchema hyper) =>
        $"{Sentence(hyper.Doc)} Takes {Allowed(hyper)}"
        + (hyper.Required ? "." : $"; {hyper.DefaultText} by default.");

    public static string Property(string type, HyperSchema hyper) =>
        $"public {PropertyType(type, hyper)} {Names.Pascal(hyper.Name)} {{ get; init; }}{Initializer(type, hyper)}";

    /// <summary>A property that the language demands where there is no default.</summary>
    public static string RequiredProperty(string type, HyperSchema hyper) =>
        hyper.Required
            ? $"public required {PropertyType(type, hyper)} {Names.Pascal(hyper.Name)} {{ get; init; }}"
            : Property(type, hyper);

    public static string FromNumber(string type, HyperSchema hyper, string value) =>
        hyper.Kind switch
        {
            HyperKind.Boolean => $"{value} != 0",
            HyperKind.Whole => $"(long){value}",
            HyperKind.Word => $"({Enum(type, hyper)})(int){value}",
            _ => value,
        };

    public static string ToNumber(HyperSchema hyper)
    {
        var name = Names.Pascal(hyper.Name);
        return hyper.Kind switch
        {
            HyperKind.Boolean => $"{name} ? 1 : 0",
            HyperKind.Word => $"(int){name}",
            _ => name,
        };
    }

    public static string Sentence(string text) => text.Length == 0 || text.EndsWith('.') ? text : text + ".";

    public static string Words(string title, string type, HyperSchema hyper)
    {
        var source = new SourceText()
            .Line("namespace Optim;")
            .Line()
            .Summary($"Values of {hyper.Name} of {title}. {Sentence(hyper.Doc)}")
            .Open($"public enum {Enum(type, hyper)}");
        foreach (var word in hyper.Words)
        {
            source.Summary($"\"{word}\".").Line($"{Names.Pascal(word)},");
            if (word != hyper.Words[^1])
            {
                source.Line();
            }
        }

        return source.Close().ToString();
    }

    private static string Allowed(HyperSchema hyper) =>
        hyper.Kind switch
        {
            HyperKind.Boolean => "true or false",
            HyperKind.Word => "one of the words of its type",
            _ => hyper.Allowed,
        };

    private static string Enum(string type, HyperSchema hyper) => type + Names.Pascal(hyper.Name);

    public static string PropertyType(string type, HyperSchema hyper) =>
        hyper.Variadic ? $"IReadOnlyList<{Type(type, hyper)}>" : Type(type, hyper);

    private static string Type(string type, HyperSchema hyper) =>
        hyper.Kind switch
        {
            HyperKind.Boolean => "bool",
            HyperKind.Whole => "long",
            HyperKind.Word => Enum(type, hyper),
            _ => "double",
        };

    private static string Initializer(string type, HyperSchema hyper) =>
        hyper.Kind switch
        {
            _ when hyper.Required => "",
            _ when hyper.Default == 0 && !hyper.Variadic => "",
            _ when hyper.Variadic => $" = [{Names.Literal(hyper.Default)}];",
            HyperKind.Boolean => " = true;",
            HyperKind.Word => $" = {Enum(type, hyper)}.{Names.Pascal(hyper.Words[(int)hyper.Default])};",
            _ => $" = {Names.Literal(hyper.Default)};",
        };
}
