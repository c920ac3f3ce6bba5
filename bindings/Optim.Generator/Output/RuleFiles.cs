using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>One options record and one optimizer class per rule, and an enum for every hyper-parameter that takes
/// words.</summary>
internal static class RuleFiles
{
    public static void Write(IReadOnlyList<RuleSchema> rules, FileSet files)
    {
        foreach (var rule in rules)
        {
            var name = Names.Class(rule);
            files.Add($"Rules/{name}.g.cs", Class(rule, name));
            files.Add($"Rules/{name}Options.g.cs", Options(rule, name));
            foreach (var hyper in rule.Hypers.Where(hyper => hyper.Kind == HyperKind.Word))
            {
                files.Add($"Rules/{Enum(name, hyper)}.g.cs", Words(rule, name, hyper));
            }
        }
    }

    private static string Class(RuleSchema rule, string name)
    {
        var options = $"{name}Options";
        return new SourceText()
            .Line("namespace Optim;")
            .Line()
            .Summary(Describe(rule))
            .Line($"public sealed class {name} : Optimizer<{options}>")
            .Line("{")
            .Line("    /// <summary>An optimizer with one group of parameters.</summary>")
            .Line($"    public {name}(")
            .Line("        Engine engine,")
            .Line("        IEnumerable<Parameter> parameters,")
            .Line($"        {options}? options = null,")
            .Line("        Helpers? helpers = null,")
            .Line("        OptimizerStorage? storage = null)")
            .Line($"        : this(engine, [new ParameterGroup<{options}>(parameters, options)], helpers, storage)")
            .Line("    {")
            .Line("    }")
            .Line()
            .Line("    /// <summary>An optimizer with groups of options of their own.</summary>")
            .Line($"    public {name}(")
            .Line("        Engine engine,")
            .Line($"        IEnumerable<ParameterGroup<{options}>> groups,")
            .Line("        Helpers? helpers = null,")
            .Line("        OptimizerStorage? storage = null)")
            .Line("        : base(engine, groups, helpers, storage)")
            .Line("    {")
            .Line("    }")
            .Line("}")
            .ToString();
    }

    private static string Options(RuleSchema rule, string name)
    {
        var type = $"{name}Options";
        var source = new SourceText()
            .Line("namespace Optim;")
            .Line()
            .Summary($"Hyper-parameters of {rule.Title} ({rule.Name}).");
        source.Open($"public sealed record {type} : IOptimizerOptions<{type}>");
        foreach (var hyper in rule.Hypers)
        {
            source
                .Summary($"{Sentence(hyper.Doc)} Takes {Allowed(hyper)}; {Default(hyper)} by default.")
                .Line(
                    $"public {Type(name, hyper)} {Names.Pascal(hyper.Name)} {{ get; init; }}{Initializer(name, hyper)}"
                )
                .Line();
        }

        source.Line($"static string IOptimizerOptions<{type}>.RuleName => \"{rule.Name}\";").Line();
        source.Line($"static IReadOnlyList<string> IOptimizerOptions<{type}>.HyperNames {{ get; }} =").Line("[");
        foreach (var hyper in rule.Hypers)
        {
            source.Line($"    \"{hyper.Name}\",");
        }

        source.Line("];").Line();
        source.Open($"static {type} IOptimizerOptions<{type}>.FromValues(ReadOnlySpan<double> values) => new()");
        for (var i = 0; i < rule.Hypers.Count; i++)
        {
            source.Line($"{Names.Pascal(rule.Hypers[i].Name)} = {FromNumber(name, rule.Hypers[i], $"values[{i}]")},");
        }

        source.Close("};").Line().Open($"void IOptimizerOptions<{type}>.CopyValues(Span<double> values)");
        for (var i = 0; i < rule.Hypers.Count; i++)
        {
            source.Line($"values[{i}] = {ToNumber(rule.Hypers[i])};");
        }

        return source.Close().Close().ToString();
    }

    private static string Words(RuleSchema rule, string name, HyperSchema hyper)
    {
        var source = new SourceText()
            .Line("namespace Optim;")
            .Line()
            .Summary($"Values of {hyper.Name} of {rule.Title}. {Sentence(hyper.Doc)}")
            .Open($"public enum {Enum(name, hyper)}");
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

    private static string Describe(RuleSchema rule)
    {
        return $"{rule.Title}: {Sentence(rule.Summary)} {rule.Paper}, {rule.Url}.";
    }

    private static string Sentence(string text) => text.Length == 0 || text.EndsWith('.') ? text : text + ".";

    private static string Allowed(HyperSchema hyper) =>
        hyper.Kind switch
        {
            HyperKind.Boolean => "true or false",
            HyperKind.Word => "one of the words of its type",
            _ => hyper.Allowed,
        };

    private static string Default(HyperSchema hyper) =>
        hyper.Like is null ? hyper.Format(hyper.Default) : $"0, which stands for {hyper.Like} in a new optimizer,";

    private static string Enum(string rule, HyperSchema hyper) => rule + Names.Pascal(hyper.Name);

    private static string Type(string rule, HyperSchema hyper) =>
        hyper.Kind switch
        {
            HyperKind.Boolean => "bool",
            HyperKind.Whole => "long",
            HyperKind.Word => Enum(rule, hyper),
            _ => "double",
        };

    private static string Initializer(string rule, HyperSchema hyper) =>
        hyper.Kind switch
        {
            HyperKind.Boolean when hyper.Default == 0 => "",
            HyperKind.Boolean => " = true;",
            HyperKind.Word when hyper.Default == 0 => "",
            HyperKind.Word => $" = {Enum(rule, hyper)}.{Names.Pascal(hyper.Words[(int)hyper.Default])};",
            _ when hyper.Default == 0 => "",
            _ => $" = {Names.Literal(hyper.Default)};",
        };

    private static string FromNumber(string rule, HyperSchema hyper, string value) =>
        hyper.Kind switch
        {
            HyperKind.Boolean => $"{value} != 0",
            HyperKind.Whole => $"(long){value}",
            HyperKind.Word => $"({Enum(rule, hyper)})(int){value}",
            _ => value,
        };

    private static string ToNumber(HyperSchema hyper)
    {
        var name = Names.Pascal(hyper.Name);
        return hyper.Kind switch
        {
            HyperKind.Boolean => $"{name} ? 1 : 0",
            HyperKind.Word => $"(int){name}",
            _ => name,
        };
    }
}
