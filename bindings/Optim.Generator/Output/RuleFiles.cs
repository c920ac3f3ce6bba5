using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>One options record and one optimizer class per rule.</summary>
internal static class RuleFiles
{
    public static void Write(IReadOnlyList<RuleSchema> rules, FileSet files)
    {
        foreach (var rule in rules)
        {
            var name = Names.Class(rule);
            files.Add($"Rules/{name}.g.cs", Class(rule, name));
            files.Add($"Rules/{name}Options.g.cs", Options(rule, name));
            HyperText.WriteEnums("Rules", rule.Title, name, rule.Hypers, files);
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
                .Summary(HyperText.Summary(hyper))
                .Line(HyperText.Property(name, hyper))
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
            source.Line($"{Names.Pascal(rule.Hypers[i].Name)} = {HyperText.FromNumber(name, rule.Hypers[i], $"values[{i}]")},");
        }

        source.Close("};").Line().Open($"void IOptimizerOptions<{type}>.CopyValues(Span<double> values)");
        for (var i = 0; i < rule.Hypers.Count; i++)
        {
            source.Line($"values[{i}] = {HyperText.ToNumber(rule.Hypers[i])};");
        }

        return source.Close().Close().ToString();
    }

    private static string Describe(RuleSchema rule)
    {
        return $"{rule.Title}: {HyperText.Sentence(rule.Summary)} {rule.Paper}, {rule.Url}.";
    }
}
