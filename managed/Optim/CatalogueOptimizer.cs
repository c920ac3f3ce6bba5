namespace Optim;

/// <summary>An optimizer known only by the name of its rule.</summary>
internal sealed class CatalogueOptimizer(
    string rule,
    Engine engine,
    IEnumerable<ParameterGroup> groups,
    Helpers? helpers,
    OptimizerStorage? storage
) : Optimizer(rule, engine, groups, helpers, storage);
