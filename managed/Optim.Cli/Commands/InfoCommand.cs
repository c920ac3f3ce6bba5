using System.CommandLine;
using Optim.Cli.Output;
using Spectre.Console;

namespace Optim.Cli.Commands;

/// <summary><c>optim info NAME</c>: all that the schema says about one rule.</summary>
internal static class InfoCommand
{
    public static Command Create(IAnsiConsole console)
    {
        var name = new Argument<string>("NAME") { Description = "Name of an optimizer, as 'optim list' prints it." };
        var command = new Command("info", "Tells all about one optimizer: hyper-parameters, states, paper, cost.")
        {
            name,
        };
        command.SetAction(parsed => Run(console, Catalogue.Find(parsed.GetRequiredValue(name))));
        return command;
    }

    private static int Run(IAnsiConsole console, RuleSchema rule)
    {
        console.MarkupLineInterpolated($"[bold]{rule.Title}[/] ({rule.Name}), {Cells.Word(rule.Shape)}");
        console.WriteLine(rule.Summary);
        WriteField(console, "Paper", rule.Paper);
        WriteField(console, "Link", rule.Url);
        WriteField(
            console,
            "Needs",
            rule.Needs.Count == 0 ? "gradients only" : "gradients and " + string.Join(", ", rule.Needs));
        using (var engine = new Engine())
        {
            if (RuleCost.Of(engine, rule) is { } cost)
            {
                WriteField(
                    console,
                    "Cost",
                    $"{NumberText.Short(cost.StateBytes)} bytes of state and {NumberText.Short(cost.StepBytes)} "
                        + "bytes moved a step for each parameter (float32, one 256 x 256 tensor, defaults)"
                );
            }
        }

        var hypers = new Table()
            .Border(TableBorder.Rounded)
            .AddColumns("Hyper-parameter", "Default", "Allowed", "Meaning");
        foreach (HyperSchema hyper in rule.Hypers)
        {
            hypers.AddRow(Cells.Of(hyper.Name, hyper.Format(hyper.Default), hyper.Allowed, hyper.Doc));
        }
        console.Write(hypers);

        var slots = new Table()
            .Border(TableBorder.Rounded)
            .AddColumns("State", "Shape", "Starts as", "Exists", "Meaning");
        foreach (SlotSchema slot in rule.Slots)
        {
            slots.AddRow(
                Cells.Of(
                    slot.Name,
                    Cells.Word(slot.Shape),
                    slot.Initial,
                    slot.When.Length == 0 ? "always" : "with " + slot.When,
                    slot.Doc));
        }
        if (rule.Slots.Count > 0)
        {
            console.Write(slots);
        }

        WriteField(console, "Helpers", "all can be switched on: " + string.Join(", ", HelperSwitches.Names));
        return ExitCode.Done;
    }

    private static void WriteField(IAnsiConsole console, string name, string text)
    {
        if (text.Length > 0)
        {
            console.MarkupLineInterpolated($"[grey]{name, -7}[/] {text}");
        }
    }
}
