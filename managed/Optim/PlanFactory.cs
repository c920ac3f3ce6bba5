using System.Text;
using Optim.Interop;

namespace Optim;

/// <summary>Makes the native plan of an optimizer.</summary>
internal static unsafe class PlanFactory
{
    private const int AsParameter = 0;

    /// <summary>A plan of any rule for the parameters and groups of an optimizer.</summary>
    /// <param name="ruleName">The rule.</param>
    /// <param name="optimizer">Whose parameters and groups.</param>
    /// <param name="values">The hyper-parameters of each group, in the order of the rule.</param>
    /// <param name="helpers">Helpers to switch on.</param>
    /// <param name="storage">Storage types, and how parameters are kept.</param>
    public static PlanHandle Create(
        string ruleName,
        Optimizer optimizer,
        double[][] values,
        Helpers helpers,
        OptimizerStorage storage
    )
    {
        var parameters = optimizer.Parameters;
        NativeTensor[] tensors = [.. parameters.Select(parameter => parameter.Value.ToNative())];
        long[] groupOf =
        [
            .. optimizer.Groups.SelectMany((group, i) => Enumerable.Repeat((long)i, group.Parameters.Count)),
        ];
        double[] hypers = [.. values.SelectMany(row => row)];
        int[] byGroup = [.. optimizer.Groups.Select(one => one.StepsByGroup ? 1 : 0)];
        var switches = helpers.ToNative();
        fixed (byte* rule = Encoding.UTF8.GetBytes(ruleName + '\0'))
        fixed (NativeTensor* tensor = tensors)
        fixed (long* group = groupOf)
        fixed (double* hyper = hypers)
        fixed (int* stepsByGroup = byGroup)
        {
            var options = new NativePlanOptions
            {
                Size = (ulong)sizeof(NativePlanOptions),
                Rule = rule,
                GroupCount = optimizer.Groups.Count,
                HyperCount = values[0].Length,
                Hypers = hyper,
                TensorCount = parameters.Count,
                Params = tensor,
                GroupOf = group,
                Helpers = &switches,
                GradDtype = TypeCode(storage.GradientType),
                StateDtype = TypeCode(storage.StateType),
                MasterWeights = storage.MasterWeights ? 1 : 0,
                StochasticRounding = storage.StochasticRoundingSeed is null ? 0 : 1,
                StepsByGroup = stepsByGroup,
                RoundingSeed = storage.StochasticRoundingSeed ?? 0,
            };
            NativeStatus.Check(NativeMethods.PlanCreate(optimizer.Engine.LivingHandle, &options, out var plan));
            plan.Keep(0, optimizer.Engine.LivingHandle);
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
