using System.Text;
using Optim.Interop;

namespace Optim;

/// <summary>Makes the native plan of an optimizer.</summary>
internal static unsafe class PlanFactory
{
    private const int AsParameter = -1;

    public static PlanHandle Create(Optimizer optimizer, DType? gradientType, DType? stateType)
    {
        var parameters = optimizer.Parameters;
        NativeTensor[] tensors = [.. parameters.Select(parameter => parameter.Value.ToNative())];
        long[] groupOf =
        [
            .. optimizer.Groups.SelectMany((group, i) => Enumerable.Repeat((long)i, group.Parameters.Count)),
        ];
        double[] hypers = [.. optimizer.Groups.SelectMany(group => group.Values.ToArray())];
        var helpers = optimizer.Helpers.ToNative();
        fixed (byte* rule = Encoding.UTF8.GetBytes(optimizer.RuleName + '\0'))
        fixed (NativeTensor* tensor = tensors)
        fixed (long* group = groupOf)
        fixed (double* hyper = hypers)
        {
            var options = new NativePlanOptions
            {
                Size = (ulong)sizeof(NativePlanOptions),
                Rule = rule,
                GroupCount = optimizer.Groups.Count,
                HyperCount = optimizer.Rule.Hypers.Count,
                Hypers = hyper,
                TensorCount = parameters.Count,
                Params = tensor,
                GroupOf = group,
                Helpers = &helpers,
                GradDtype = TypeCode(gradientType),
                StateDtype = TypeCode(stateType),
            };
            NativeStatus.Check(NativeMethods.PlanCreate(optimizer.Engine.Handle, &options, out var plan));
            plan.Keep(0, optimizer.Engine.Handle);
            return plan;
        }
    }

    /// <summary>The type of all gradients that was asked for or is present; null = that of each parameter.</summary>
    public static DType? GradientType(IReadOnlyList<Parameter> parameters, OptimizerStorage? storage)
    {
        if (storage?.GradientType is { } given)
        {
            return given.Checked(nameof(storage));
        }

        var other = parameters.FirstOrDefault(parameter =>
            parameter.Gradient is { } gradient && gradient.DType != parameter.Value.DType
        );
        return other?.Gradient!.DType;
    }

    private static int TypeCode(DType? type) => type is { } given ? (int)given.Checked(nameof(type)) : AsParameter;
}
