namespace Optim;

/// <summary>How far, and in which measure, sharpness-aware minimization looks around the parameters of a group.</summary>
public sealed record SharpnessOptions
{
    /// <summary>Radius of the neighbourhood, at least 0.</summary>
    public double Rho { get; init; } = 0.05;

    /// <summary>Scale the neighbourhood by the parameters (ASAM, arXiv 2102.11600; its authors use a rho of about
    /// 2).</summary>
    public bool Adaptive { get; init; }

    /// <summary>Added to the norm of the gradients.</summary>
    public double PerturbEpsilon { get; init; } = 1e-12;

    /// <summary>Centralize the gradient per row, for tensors of rank 2 or more.</summary>
    public bool UseGc { get; init; }

    /// <summary>Added to the parameters that scale the neighbourhood.</summary>
    public double AsamEta { get; init; }

    /// <summary>The names of the hyper-parameters of the native rule, in the order of a row.</summary>
    internal static IReadOnlyList<string> Names { get; } = ["rho", "adaptive", "perturb_eps", "use_gc", "asam_eta"];

    internal double[] ToRow() => [Rho, Adaptive ? 1 : 0, PerturbEpsilon, UseGc ? 1 : 0, AsamEta];

    internal static SharpnessOptions FromRow(double[] row) =>
        new()
        {
            Rho = row[0],
            Adaptive = row[1] != 0,
            PerturbEpsilon = row[2],
            UseGc = row[3] != 0,
            AsamEta = row[4],
        };
}
