using System.Text.Json;
using Optim.Tests.Support;

namespace Optim.Tests;

public sealed class LearningRateScheduleTests
{
    private const double Tolerance = 1e-15;

    [Theory]
    [InlineData("schedule.cosine.warmup0")]
    [InlineData("schedule.cosine.warmup5")]
    [InlineData("schedule.cosine_annealing")]
    [InlineData("schedule.linear_warmup")]
    public void Values_are_those_of_the_reference(string name)
    {
        var golden = SafeTensors.Load(Checkout.Golden(name));
        using var hypers = JsonDocument.Parse(golden.Metadata["hyperparameters"]);
        var rates = golden.Get<double>("out.lr");
        Assert.NotEmpty(rates);
        for (var i = 0; i < rates.Length; i++)
        {
            Assert.Equal(rates[i], Rate(golden.Metadata["optimizer"], i + 1), Tolerance);
        }

        double Rate(string schedule, long step) =>
            schedule switch
            {
                "cosine" => LearningRateSchedule.Cosine(
                    step,
                    Whole("t_max"),
                    Real("max_lr"),
                    Real("min_lr"),
                    Real("init_lr"),
                    Whole("warmup_steps")
                ),
                "cosine_annealing" => LearningRateSchedule.CosineAnnealing(
                    step,
                    Whole("t_max"),
                    Real("lr"),
                    Real("min_lr")
                ),
                "linear_warmup" => LearningRateSchedule.LinearWarmup(step, Real("lr"), Whole("warmup_steps")),
                _ => throw new ArgumentOutOfRangeException(nameof(schedule), schedule, "No such schedule."),
            };

        double Real(string hyper) => hypers.RootElement.GetProperty(hyper).GetDouble();
        long Whole(string hyper) => hypers.RootElement.GetProperty(hyper).GetInt64();
    }

    [Fact]
    public void Ends_and_middle_are_exact()
    {
        Assert.Equal(0.5, LearningRateSchedule.CosineAnnealing(1, 10, 0.5));
        Assert.Equal(0.3, LearningRateSchedule.CosineAnnealing(6, 10, 0.5, 0.1), Tolerance);
        Assert.Equal(0.1, LearningRateSchedule.CosineAnnealing(11, 10, 0.5, 0.1), Tolerance);
        Assert.Equal(0.1, LearningRateSchedule.CosineAnnealing(1000, 10, 0.5, 0.1), Tolerance);
        Assert.Equal(0.25, LearningRateSchedule.LinearWarmup(1, 1, 4));
        Assert.Equal(1, LearningRateSchedule.LinearWarmup(400, 1, 4));
        Assert.Equal(0, LearningRateSchedule.Cosine(1, 10, 0.5, warmupSteps: 5));
        Assert.Equal(0.5, LearningRateSchedule.Cosine(6, 10, 0.5, warmupSteps: 5));
        Assert.Equal(0.2, LearningRateSchedule.Cosine(99, 10, 0.5, 0.2), Tolerance);
    }

    [Fact]
    public void A_schedule_drives_an_optimizer()
    {
        using var engine = TestDevice.Open();
        using var value = Tensor.Allocate(engine, DType.Float64, 1);
        using var gradient = Tensor.Allocate(engine, DType.Float64, 1);
        gradient.CopyFrom([1.0]);
        using var optimizer = Optimizer.Create("sgd", engine, [new Parameter(value, gradient)]);
        var sum = 0.0;
        for (var step = 1; step <= 20; step++)
        {
            optimizer.Groups[0].LearningRate = LearningRateSchedule.Cosine(step, 20, 0.1, 0.01, 0.001, 4);
            optimizer.Step();
            sum += optimizer.Groups[0].LearningRate;
        }

        Assert.Equal(-sum, value.ToDoubles()[0], 1e-12);
    }

    [Fact]
    public void Bad_numbers_are_refused_by_name()
    {
        AssertRefused("step", () => LearningRateSchedule.LinearWarmup(0, 1, 1));
        AssertRefused("warmupSteps", () => LearningRateSchedule.LinearWarmup(1, 1, 0));
        AssertRefused("learningRate", () => LearningRateSchedule.LinearWarmup(1, double.NaN, 1));
        AssertRefused("step", () => LearningRateSchedule.CosineAnnealing(-1, 1, 1));
        AssertRefused("totalSteps", () => LearningRateSchedule.CosineAnnealing(1, 0, 1));
        AssertRefused("learningRate", () => LearningRateSchedule.CosineAnnealing(1, 1, -1));
        AssertRefused("minimum", () => LearningRateSchedule.CosineAnnealing(1, 1, 1, double.PositiveInfinity));
        AssertRefused("maximum", () => LearningRateSchedule.Cosine(1, 1, double.NaN));
        AssertRefused("minimum", () => LearningRateSchedule.Cosine(1, 1, 1, -1));
        AssertRefused("initial", () => LearningRateSchedule.Cosine(1, 1, 1, 0, -1));
        AssertRefused("warmupSteps", () => LearningRateSchedule.Cosine(1, 5, 1, 0, 0, 5));
        AssertRefused("warmupSteps", () => LearningRateSchedule.Cosine(1, 5, 1, 0, 0, -1));

        static void AssertRefused(string name, Func<double> call) =>
            Assert.Equal(name, Assert.Throws<ArgumentOutOfRangeException>(() => call()).ParamName);
    }
}
