using Optim.Tests.Support;

namespace Optim.Tests;

public sealed class CatalogueTests
{
    [Fact]
    public void Rules_are_complete_and_sorted()
    {
        AssertComplete(Catalogue.Rules);
        Assert.All(
            Catalogue.Rules,
            rule =>
            {
                Assert.Contains(rule.Hypers, hyper => hyper.Name == "lr");
                Assert.All(rule.Hypers, hyper => Assert.False(hyper.Required));
                Assert.All(rule.Slots, slot => Assert.NotEmpty(slot.Doc));
            }
        );
    }

    [Fact]
    public void Schedules_are_complete_and_sorted() => AssertComplete(Catalogue.Schedules);

    [Fact]
    public void An_unknown_name_is_answered_with_the_known_ones()
    {
        var message = Assert.Throws<ArgumentException>(() => Catalogue.Find("adamx")).Message;
        Assert.Contains("\"adamx\"", message, StringComparison.Ordinal);
        Assert.Contains("adamw", message, StringComparison.Ordinal);
        Assert.False(Catalogue.TryFind("", out _));
        Assert.False(Catalogue.TryFind(null, out _));
        Assert.False(Catalogue.TryFindSchedule(null, out _));
        Assert.True(Catalogue.TryFind("adamw", out var rule));
        Assert.Equal("AdamW", rule.Title);
    }

    [Fact]
    public void Names_are_found_in_every_usual_spelling()
    {
        Assert.All(
            Catalogue.Rules,
            rule =>
            {
                foreach (var spelling in Spellings(rule.Name).Append(rule.Title))
                {
                    Assert.Same(rule, Catalogue.Find(spelling));
                }
            }
        );
        Assert.All(
            Catalogue.Schedules,
            schedule =>
            {
                foreach (var spelling in Spellings(schedule.Name).Append(schedule.Title))
                {
                    Assert.Same(schedule, Catalogue.FindSchedule(spelling));
                }
            }
        );
        Assert.Equal("adamw", Catalogue.Find("Adam_W").Name);
    }

    public static TheoryData<string> Aliases() => [.. Catalogue.Rules.SelectMany(rule => rule.Aliases).Select(alias => alias.Name)];

    [Theory]
    [MemberData(nameof(Aliases))]
    public void An_alias_is_a_rule_with_other_values(string name)
    {
        var rule = Catalogue.Rules.Single(rule => rule.Aliases.Any(alias => alias.Name == name));
        var alias = rule.Aliases.Single(alias => alias.Name == name);
        using var model = new Model();
        foreach (var spelling in Spellings(name))
        {
            using var optimizer = Create(spelling, new() { ["lr"] = 0.5 });
            var expected = rule.Hypers.ToDictionary(hyper => hyper.Name, hyper => alias.Hypers.GetValueOrDefault(hyper.Name, hyper.Default));
            expected["lr"] = 0.5;
            Assert.Equal(rule.Name, optimizer.RuleName);
            Assert.Equal(expected, optimizer.Groups[0].Hypers);
        }

        Assert.NotEmpty(alias.Hypers);
        var defaults = alias.Hypers.Keys.ToDictionary(hyper => hyper, hyper => rule.Hypers[rule.IndexOf(hyper)].Default);
        using var given = Create(name, defaults);
        Assert.All(defaults, pair => Assert.Equal(pair.Value, given.Groups[0][pair.Key])); // what is given counts
        Assert.False(Catalogue.TryFind(name, out _));

        Optimizer Create(string spelling, Dictionary<string, double> hypers) =>
            Optimizer.Create(spelling, model.Engine, model.Parameters, hypers);
    }

    [Fact]
    public void Another_spelling_of_a_hyper_parameter_is_that_hyper_parameter()
    {
        using var model = new Model();
        var spelled = 0;
        foreach (var rule in Catalogue.Rules)
        {
            foreach (var hyper in rule.Hypers)
            {
                foreach (var spelling in hyper.Spellings)
                {
                    Assert.Equal(rule.IndexOf(hyper.Name), rule.IndexOf(spelling));
                    var message = Assert
                        .Throws<ArgumentException>(() =>
                            Optimizer.Create(
                                rule.Name,
                                model.Engine,
                                model.Parameters,
                                new Dictionary<string, double> { [hyper.Name] = 0, [spelling] = 1 }
                            )
                        )
                        .Message;
                    Assert.Contains($"\"{hyper.Name}\" and \"{spelling}\"", message, StringComparison.Ordinal);
                    spelled++;
                }
            }
        }

        Assert.True(spelled > 0);
    }

    private static void AssertComplete(IReadOnlyList<CatalogueEntry> entries)
    {
        Assert.NotEmpty(entries);
        Assert.Equal(entries.Select(entry => entry.Name).Order(StringComparer.Ordinal), entries.Select(entry => entry.Name));
        Assert.All(
            entries,
            entry =>
            {
                Assert.NotEmpty(entry.Title);
                Assert.NotEmpty(entry.Paper);
                Assert.NotEmpty(entry.Summary);
                Assert.StartsWith("https://", entry.Url, StringComparison.Ordinal);
                Assert.All(entry.Hypers, hyper => Assert.NotEmpty(hyper.Doc));
                Assert.All(entry.Hypers, hyper => Assert.True(hyper.Required || hyper.Allows(hyper.Default), $"{entry}.{hyper.Name}"));
            }
        );
    }

    private static IEnumerable<string> Spellings(string name) =>
        [
            name.ToUpperInvariant(),
            name.Replace('_', '-'),
            name.Replace('_', ' '),
            name.Replace("_", "", StringComparison.Ordinal),
        ];

    [Theory]
    [InlineData("0.25", 0.25)]
    [InlineData("1e-3", 1e-3)]
    [InlineData("0", 0)]
    public void Real_hypers_parse(string text, double value)
    {
        var hyper = Hyper(HyperKind.Real) with { Maximum = 1, MaximumOpen = true };
        Assert.Equal(value, hyper.Parse(text));
        Assert.Equal(value, hyper.Parse(hyper.Format(value)));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("-0.5")]
    [InlineData("nan")]
    [InlineData("")]
    [InlineData("true")]
    [InlineData("0,5")]
    public void Real_hypers_refuse_what_is_out_of_range(string text)
    {
        var hyper = Hyper(HyperKind.Real) with { Maximum = 1, MaximumOpen = true };
        var message = Assert.Throws<ArgumentException>(() => hyper.Parse(text)).Message;
        Assert.Contains($"h = \"{text}\" is not a number in [0, 1)", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_kinds_parse_and_format()
    {
        var flag = Hyper(HyperKind.Boolean) with { Maximum = 1 };
        Assert.Equal(1, flag.Parse("true"));
        Assert.Equal(0, flag.Parse("False"));
        Assert.Equal(1, flag.Parse("1"));
        Assert.Equal("true", flag.Format(1));
        Assert.Throws<ArgumentException>(() => flag.Parse("0.5"));

        var whole = Hyper(HyperKind.Whole) with { Minimum = 1, Maximum = 9 };
        Assert.Equal(7, whole.Parse("7"));
        Assert.Contains(
            "whole number in [1, 9]",
            Assert.Throws<ArgumentException>(() => whole.Parse("1.5")).Message,
            StringComparison.Ordinal
        );

        var word = Hyper(HyperKind.Word) with { Maximum = 1, Words = ["none", "sgd"] };
        Assert.Equal(1, word.Parse("SGD"));
        Assert.Equal("sgd", word.Format(1));
        Assert.Contains(
            "\"sgd\" (1)",
            Assert.Throws<ArgumentException>(() => word.Parse("adam")).Message,
            StringComparison.Ordinal
        );

        var unbounded = Hyper(HyperKind.Real);
        Assert.Equal(double.PositiveInfinity, unbounded.Parse("inf"));
        Assert.Equal("1e-8", unbounded.Format(1e-8));
        Assert.Equal("a number in [0, inf)", unbounded.Allowed);
        Assert.Equal("a number in [0, inf), or several", (unbounded with { Variadic = true }).Allowed);
        Assert.Equal("0", unbounded.DefaultText);
        Assert.Equal("required", (unbounded with { Default = double.NaN }).DefaultText);
    }

    private static HyperSchema Hyper(HyperKind kind) =>
        new()
        {
            Name = "h",
            Default = 0,
            Minimum = 0,
            Maximum = double.PositiveInfinity,
            MinimumOpen = false,
            MaximumOpen = false,
            Kind = kind,
            Words = [],
            Doc = "",
        };
}
