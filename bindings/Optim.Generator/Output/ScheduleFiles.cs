using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>One record per learning-rate schedule.</summary>
internal static class ScheduleFiles
{
    private const string Folder = "Schedules";

    public static void Write(IReadOnlyList<ScheduleSchema> schedules, FileSet files)
    {
        foreach (var schedule in schedules)
        {
            var name = Names.Class(schedule);
            files.Add($"{Folder}/{name}.g.cs", Record(schedule, name));
            HyperText.WriteEnums(Folder, schedule.Title, name, schedule.Hypers, files);
        }
    }

    private static string Record(ScheduleSchema schedule, string name)
    {
        var source = new SourceText()
            .Line("namespace Optim;")
            .Line()
            .Summary(
                $"{schedule.Title}: {HyperText.Sentence(schedule.Summary)} {HyperText.Sentence(schedule.Paper)} "
                    + $"{schedule.Url}"
            )
            .Open($"public sealed record {name} : LearningRateSchedule");
        foreach (var hyper in schedule.Hypers)
        {
            source.Summary(HyperText.Summary(hyper)).Line(HyperText.RequiredProperty(name, hyper)).Line();
        }

        source.Line("/// <inheritdoc/>").Line($"public override string Name => \"{schedule.Name}\";").Line();
        source.Line($"private protected override ReadOnlySpan<byte> NativeName => \"{schedule.Name}\"u8;").Line();
        source.Line($"private protected override int ValueCount => {Count(schedule)};").Line();
        source.Open("private protected override void CopyValues(Span<double> values)");
        for (var i = 0; i < schedule.Hypers.Count; i++)
        {
            var hyper = schedule.Hypers[i];
            source.Line(
                hyper.Variadic
                    ? $"CopyList({Names.Pascal(hyper.Name)}, values[{i}..]);"
                    : $"values[{i}] = {HyperText.ToNumber(hyper)};"
            );
        }

        return source.Close().Close().ToString();
    }

    private static string Count(ScheduleSchema schedule)
    {
        var last = schedule.Hypers[^1];
        return last.Variadic
            ? $"{schedule.Hypers.Count - 1} + {Names.Pascal(last.Name)}.Count"
            : $"{schedule.Hypers.Count}";
    }
}
