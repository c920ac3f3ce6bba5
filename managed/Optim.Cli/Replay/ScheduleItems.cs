namespace Optim.Cli.Replay;

/// <summary>Replays cases of learning-rate schedules: the rates of the steps 1, 2, ..., or values that follow given
/// rates.</summary>
internal static class ScheduleItems
{
    private const string Rates = "in.lr";

    public static TensorSet Replay(GoldenCase golden)
    {
        ScheduleSchema schema = Catalogue.FindSchedule(golden.Item);
        KeyValuePair<string, double>[] hypers = [.. golden.Hypers.For(schema)];
        var output = new ReplayOutput(golden);
        if (golden.Has(Rates))
        {
            output.Add("out.value", [.. golden.Values(Rates).Select(rate => At(schema, [.. hypers, new("lr", rate)], 1))]);
        }
        else
        {
            int expected = golden.Values("out.lr").Length;
            if (golden.Hypers.Integer("n") != expected)
            {
                throw new FormatException($"{golden.Name}: n = {golden.Hypers.Integer("n")}, but out.lr has {expected} values");
            }
            var schedule = LearningRateSchedule.Create(schema.Name, hypers);
            output.Add("out.lr", [.. Enumerable.Range(1, expected).Select(n => schedule.ValueAt(n))]);
        }

        return output.Complete();
    }

    private static double At(ScheduleSchema schema, KeyValuePair<string, double>[] hypers, long step) =>
        LearningRateSchedule.Create(schema.Name, hypers).ValueAt(step);
}
