using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>The public surface that no rule or schedule adds to changes only on purpose.</summary>
public sealed class PublicApiTests
{
    [Fact]
    public void The_facade_is_as_it_was()
    {
        var types = typeof(Optimizer).Assembly.GetExportedTypes().Where(type => !IsOfARule(type) && !IsOfASchedule(type));
        Snapshot.Verify(PublicApi.Describe(types), nameof(PublicApiTests));
    }

    private static bool IsOfARule(Type type) =>
        IsClosed(type.BaseType, typeof(Optimizer<>))
        || type.GetInterfaces().Any(face => IsClosed(face, typeof(IOptimizerOptions<>)))
        || (
            type.IsEnum
            && type.Assembly.GetExportedTypes()
                .Where(options => options.GetInterfaces().Any(face => IsClosed(face, typeof(IOptimizerOptions<>))))
                .Any(options => options.GetProperties().Any(property => property.PropertyType == type))
        );

    private static bool IsOfASchedule(Type type) =>
        type.BaseType == typeof(LearningRateSchedule)
        || (
            type.IsEnum
            && type.Assembly.GetExportedTypes()
                .Where(schedule => schedule.BaseType == typeof(LearningRateSchedule))
                .Any(schedule => schedule.GetProperties().Any(property => property.PropertyType == type))
        );

    private static bool IsClosed(Type? type, Type definition) =>
        type is { IsGenericType: true } && type.GetGenericTypeDefinition() == definition;
}
