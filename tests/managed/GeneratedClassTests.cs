using System.Reflection;
using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>The generated class and options record of every rule.</summary>
public sealed class GeneratedClassTests
{
    [Theory]
    [ClassData(typeof(Rules))]
    public void A_rule_has_one_class_whose_defaults_are_the_schemas(string rule)
    {
        var (optimizerType, optionsType) = Classes().Single(pair => RuleName(pair.Options) == rule);
        using var model = new Model();
        model.GiveInputs(rule);
        using var optimizer = (Optimizer)
            Activator.CreateInstance(optimizerType, model.Engine, model.Parameters, null, null, null)!;
        Assert.True(optimizerType.IsSealed && optionsType.IsSealed);
        Assert.Equal(rule, optimizer.RuleName);
        Assert.Equal(
            optimizer.Rule.Hypers.ToDictionary(hyper => hyper.Name, Default),
            optimizer.Groups[0].Hypers
        );
        optimizer.Step();
        Assert.Equal(1, optimizer.StepCount());

        double Default(HyperSchema hyper) =>
            (hyper.Like is null ? hyper : optimizer.Rule.Hypers[optimizer.Rule.IndexOf(hyper.Like)]).Default;
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void Options_survive_the_way_through_numbers(string rule)
    {
        var (_, optionsType) = Classes().Single(pair => RuleName(pair.Options) == rule);
        typeof(GeneratedClassTests)
            .GetMethod(nameof(CheckRoundTrip), BindingFlags.Static | BindingFlags.NonPublic)!
            .MakeGenericMethod(optionsType)
            .Invoke(null, [Catalogue.Find(rule)]);
    }

    private static void CheckRoundTrip<TOptions>(RuleSchema rule)
        where TOptions : class, IOptimizerOptions<TOptions>, new()
    {
        // Values that differ from each other and from the defaults wherever the kind allows it.
        double[] values =
        [
            .. rule.Hypers.Select(
                (hyper, i) =>
                    hyper.Kind switch
                    {
                        HyperKind.Boolean => 1 - hyper.Default,
                        HyperKind.Word => hyper.Words.Count - 1 - hyper.Default,
                        _ => 1000 + i,
                    }
            ),
        ];
        var copy = new double[values.Length];
        TOptions.FromValues(values).CopyValues(copy);
        Assert.Equal(values, copy);
        Assert.NotEqual(new TOptions(), TOptions.FromValues(values));
        Assert.Equal(rule.Hypers.Select(hyper => hyper.Name), TOptions.HyperNames);
    }

    private static IEnumerable<(Type Optimizer, Type Options)> Classes() =>
        from type in typeof(Optimizer).Assembly.GetExportedTypes()
        let parent = type.BaseType
        where parent is { IsGenericType: true } && parent.GetGenericTypeDefinition() == typeof(Optimizer<>)
        select (type, parent.GetGenericArguments()[0]);

    private static string RuleName(Type options) =>
        (string)
            typeof(GeneratedClassTests)
                .GetMethod(nameof(NameOf), BindingFlags.Static | BindingFlags.NonPublic)!
                .MakeGenericMethod(options)
                .Invoke(null, null)!;

    private static string NameOf<TOptions>()
        where TOptions : class, IOptimizerOptions<TOptions>, new() => TOptions.RuleName;
}
