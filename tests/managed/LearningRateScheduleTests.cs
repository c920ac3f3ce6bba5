using System.Text.Json;
using Optim.Tests.Support;

namespace Optim.Tests;

public sealed class LearningRateScheduleTests
{
    // Beside the reference, which ran in double too.
    private const double RelativeTolerance = 1e-12;

    public static TheoryData<string> Schedules() => [.. Catalogue.Schedules.Select(schedule => schedule.Name)];

    public static TheoryData<string> Cases() =>
        [
            .. Directory
                .EnumerateFiles(Path.GetDirectoryName(Checkout.Golden(""))!, "schedule.*.safetensors")
                .Select(file => Path.GetFileNameWithoutExtension(file)!),
        ];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Values_are_those_of_the_reference(string name)
    {
        var golden = SafeTensors.Load(Checkout.Golden(name));
        using var hypers = JsonDocument.Parse(golden.Metadata["hyperparameters"]);
        var schema = Catalogue.FindSchedule(golden.Metadata["optimizer"]);
        KeyValuePair<string, double>[] given =
        [
            .. from hyper in schema.Hypers
            where hypers.RootElement.TryGetProperty(hyper.Name, out _)
            let value = hypers.RootElement.GetProperty(hyper.Name)
            from item in value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : new[] { value }
            select KeyValuePair.Create(hyper.Name, hyper.Parse(item.ToString())),
        ];
        var follows = golden.Tensors.ContainsKey("in.lr");
        var expected = golden.Get<double>(follows ? "out.value" : "out.lr");
        Assert.NotEmpty(expected);
        var schedule = follows ? null : LearningRateSchedule.Create(schema.Name, given);
        var actual = follows
            ? golden
                .Get<double>("in.lr")
                .Select(rate => LearningRateSchedule.Create(schema.Name, [.. given, new("lr", rate)]).ValueAt(1))
            : Enumerable.Range(1, expected.Length).Select(step => schedule!.ValueAt(step));
        Assert.All(
            expected.Zip(actual),
            pair => Assert.Equal(pair.First, pair.Second, RelativeTolerance * Math.Abs(pair.First))
        );
    }

    [Theory]
    [MemberData(nameof(Schedules))]
    public void A_schedule_has_one_record_that_gives_the_same_values_as_its_name(string name)
    {
        var schema = Catalogue.FindSchedule(name);
        var type = Assert.Single(Records(), type => ((LearningRateSchedule)Make(type, schema)).Name == name);
        Assert.True(type.IsSealed);
        var record = (LearningRateSchedule)Make(type, schema);
        var named = LearningRateSchedule.Create(
            name.ToUpperInvariant(),
            schema.Hypers.Select((hyper, i) => KeyValuePair.Create(hyper.Name, Value(hyper, i)))
        );
        Assert.Equal(name, named.Name);
        foreach (var step in (long[])[1, 2, 3, 5, 8, 13, 89, 1_000_000])
        {
            Assert.Equal(Outcome(named, step), Outcome(record, step));
            Assert.True(step > 89 || Outcome(named, step) is double);
        }

        Assert.Equal(Defaults(schema), Defaults(type));

        static object Outcome(LearningRateSchedule schedule, long step)
        {
            try
            {
                return schedule.ValueAt(step);
            }
            catch (OptimException exception) // what grows without end is infinite at the last step
            {
                return exception.Message;
            }
        }
    }

    [Fact]
    public void A_list_has_as_many_values_as_are_given()
    {
        var schedule = new MultiStepSchedule
        {
            LearningRate = 1,
            Gamma = 0.5,
            Milestones = [1, 2, 4],
        };
        Assert.Equal([1, 0.5, 0.25, 0.25, 0.125], Enumerable.Range(1, 5).Select(n => schedule.ValueAt(n)));
        Assert.Contains(
            "milestones must be given",
            Assert.Throws<OptimException>(() => (schedule with { Milestones = [] }).ValueAt(1)).Message,
            StringComparison.Ordinal
        );
        long[] many = [.. Enumerable.Range(1, 1000)];
        Assert.Equal(Math.Pow(0.5, 500), (schedule with { Milestones = many }).ValueAt(501));
    }

    [Fact]
    public void A_schedule_drives_an_optimizer()
    {
        using var engine = TestDevice.Open();
        using var value = Tensor.Allocate(engine, DType.Float64, 1);
        using var gradient = Tensor.Allocate(engine, DType.Float64, 1);
        gradient.CopyFrom([1.0]);
        using var optimizer = Optimizer.Create("sgd", engine, [new Parameter(value, gradient)]);
        var schedule = new CosineSchedule
        {
            MaxLearningRate = 0.1,
            MinLearningRate = 0.01,
            InitLearningRate = 0.001,
            TMax = 20,
            WarmupSteps = 4,
        };
        var sum = 0.0;
        for (var step = 1; step <= 20; step++)
        {
            optimizer.Groups[0].LearningRate = schedule.ValueAt(step);
            optimizer.Step();
            sum += optimizer.Groups[0].LearningRate;
        }

        Assert.Equal(-sum, value.ToDoubles()[0], 1e-12);
        Assert.Equal(0.001, schedule.ValueAt(1));
        Assert.Equal(0.1, schedule.ValueAt(5));
        Assert.Equal(0.01, schedule.ValueAt(21), 1e-15);
    }

    [Fact]
    public void Values_allocate_nothing()
    {
        var schedule = new CosineSchedule { MaxLearningRate = 0.1, TMax = 20 };
        schedule.ValueAt(1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var step = 1; step <= 100; step++)
        {
            schedule.ValueAt(step);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Bad_numbers_are_refused_by_name()
    {
        var cosine = new CosineSchedule { MaxLearningRate = 0.1, TMax = 20 };
        Assert.Equal("step", Assert.Throws<ArgumentOutOfRangeException>(() => cosine.ValueAt(0)).ParamName);
        AssertRefused("max_lr is -1; allowed is [0, inf)", () => (cosine with { MaxLearningRate = -1 }).ValueAt(1));
        AssertRefused("t_max is 0; allowed is whole numbers from 1", () => (cosine with { TMax = 0 }).ValueAt(1));
        AssertRefused("warmup_steps must be less than t_max", () => (cosine with { WarmupSteps = 20 }).ValueAt(1));
        AssertRefused("warmup_steps must be less", () => Create(("max_lr", 1), ("t_max", 2), ("warmup_steps", 2)));

        AssertNamed("max_lr", "max_lr = -1 is not a number in [0, inf)", () => Create(("max_lr", -1), ("t_max", 2)));
        AssertNamed("t_max", "t_max must be given; it takes a whole number", () => Create(("max_lr", 1)));
        AssertNamed("t_max", "t_max is given twice", () => Create(("max_lr", 1), ("t_max", 2), ("t_max", 3)));
        AssertNamed("hyper", "no hyper-parameter \"lr\"; it has max_lr", () => Create(("lr", 1)));
        AssertNamed("name", "cosine_annealing", () => LearningRateSchedule.Create("cosinus"));

        static LearningRateSchedule Create(params (string Name, double Value)[] hypers) =>
            LearningRateSchedule.Create("cosine", hypers.Select(h => KeyValuePair.Create(h.Name, h.Value)));

        static void AssertRefused(string part, Func<object> call)
        {
            var exception = Assert.Throws<OptimException>(call);
            Assert.Equal(OptimStatus.InvalidArgument, exception.Status);
            Assert.Contains("cosine: " + part, exception.Message, StringComparison.Ordinal);
        }

        static void AssertNamed(string parameter, string part, Func<object> call)
        {
            var exception = Assert.Throws<ArgumentException>(call);
            Assert.Equal(parameter, exception.ParamName);
            Assert.Contains(part, exception.Message, StringComparison.Ordinal);
        }
    }

    private static IEnumerable<Type> Records() =>
        typeof(LearningRateSchedule).Assembly.GetExportedTypes().Where(type =>
            type.BaseType == typeof(LearningRateSchedule));

    // A value that each hyper-parameter accepts together with the others.
    private static double Value(HyperSchema hyper, int position) =>
        hyper.Kind switch
        {
            HyperKind.Word => hyper.Words.Count - 1,
            HyperKind.Whole => hyper.Name.Contains("warmup", StringComparison.Ordinal) ? 2 : 5 + position,
            _ => hyper.Maximum == 1 ? 0.5 : 1 + (0.125 * position),
        };

    private static object Make(Type type, ScheduleSchema schema)
    {
        var made = Activator.CreateInstance(type)!;
        var properties = type.GetProperties().Where(property => property.CanWrite).ToArray();
        for (var i = 0; i < Math.Min(properties.Length, schema.Hypers.Count); i++)
        {
            var value = Value(schema.Hypers[i], i);
            var target = properties[i].PropertyType;
            properties[i].SetValue(
                made,
                target.IsEnum ? Enum.ToObject(target, (int)value)
                    : target == typeof(IReadOnlyList<long>) ? new[] { (long)value }
                    : Convert.ChangeType(value, target, null)
            );
        }

        return made;
    }

    private static IEnumerable<double> Defaults(ScheduleSchema schema) =>
        schema.Hypers.Select(hyper => hyper.Required ? 0 : hyper.Default);

    private static IEnumerable<double> Defaults(Type type)
    {
        var made = Activator.CreateInstance(type);
        return type.GetProperties()
            .Where(property => property.CanWrite)
            .Select(property => property.GetValue(made) is { } value ? Convert.ToDouble(value, null) : 0);
    }
}
