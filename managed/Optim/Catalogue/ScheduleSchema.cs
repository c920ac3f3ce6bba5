namespace Optim;

/// <summary>A learning-rate schedule of the native library and its hyper-parameters.</summary>
public sealed record ScheduleSchema : CatalogueEntry;
