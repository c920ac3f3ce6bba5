using System.Globalization;

namespace Optim.Cli.Replay;

/// <summary>Names of tensors in golden cases: parts with points between them.</summary>
internal static class TensorName
{
    public static string Of(params object[] parts) =>
        string.Join('.', parts.Select(part => Convert.ToString(part, CultureInfo.InvariantCulture)));
}
