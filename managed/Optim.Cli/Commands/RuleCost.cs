namespace Optim.Cli.Commands;

/// <summary>What a rule costs, asked of the library for one 256 x 256 float tensor with default hyper-
/// parameters.</summary>
/// <param name="StateBytes">Bytes of state a parameter.</param>
/// <param name="StepBytes">Bytes read and written a parameter and step.</param>
internal sealed record RuleCost(double StateBytes, double StepBytes)
{
    private const long Side = 256;

    /// <summary>Null when the rule needs more than gradients.</summary>
    public static RuleCost? Of(Engine engine, RuleSchema rule)
    {
        if (rule.Needs.Count > 0)
        {
            return null;
        }

        using var value = Tensor.Allocate(engine, DType.Float32, [Side, Side]);
        using var gradient = Tensor.Allocate(engine, DType.Float32, [Side, Side]);
        using var optimizer = Optimizer.Create(rule.Name, engine, [new Parameter(value, gradient)]);
        return new RuleCost(
            (double)optimizer.StateBytes / value.ElementCount,
            (double)optimizer.BytesPerStep / value.ElementCount);
    }
}
