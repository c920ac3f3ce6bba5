namespace Optim;

/// <summary>What the native library says of itself (optim_schema_json).</summary>
/// <param name="Rules">The rules, sorted by name.</param>
/// <param name="Schedules">The schedules, sorted by name.</param>
/// <param name="Helpers">The members of optim_helpers, in their order; a 0 stands for the default.</param>
internal sealed record SchemaDocument(
    IReadOnlyList<RuleSchema> Rules,
    IReadOnlyList<ScheduleSchema> Schedules,
    IReadOnlyList<HyperSchema> Helpers
);
