using Optim.Interop;

namespace Optim;

/// <summary>The gradient helpers as functions of their own over lists of tensors, in place. The meaning of the numbers
/// is that of <see cref="Helpers"/>.</summary>
public static unsafe class HelperFunctions
{
    /// <summary>Divides gradients by a scale; sets the flag to 1 if any element is not finite.</summary>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="gradients">The gradients.</param>
    /// <param name="gradScale">One Float32 on the device.</param>
    /// <param name="foundInf">One Float32 on the device.</param>
    public static void Unscale(Engine engine, ReadOnlySpan<Tensor> gradients, Tensor gradScale, Tensor foundInf)
    {
        using var grads = new NativeTensors(engine, gradients, nameof(gradients));
        ArgumentNullException.ThrowIfNull(gradScale);
        ArgumentNullException.ThrowIfNull(foundInf);
        using var scaleHold = gradScale.Hold();
        using var flagHold = foundInf.Hold();
        var scale = gradScale.ScalarOn(engine, nameof(gradScale));
        var flag = foundInf.ScalarOn(engine, nameof(foundInf));
        NativeStatus.Check(NativeMethods.Unscale(engine.Handle, grads.Count, grads.Pointer, scale, flag));
    }

    /// <summary>Clamps every element to [-clipValue, clipValue].</summary>
    public static void ClipGradValue(Engine engine, ReadOnlySpan<Tensor> gradients, double clipValue)
    {
        using var grads = new NativeTensors(engine, gradients, nameof(gradients));
        NativeStatus.Check(NativeMethods.ClipGradValue(engine.Handle, grads.Count, grads.Pointer, clipValue));
    }

    /// <summary>Scales all gradients so that their global norm is at most maxNorm; returns the norm before, waiting for
    /// it.</summary>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="gradients">The gradients.</param>
    /// <param name="maxNorm">The largest norm.</param>
    /// <param name="normType">1, 2 or infinity.</param>
    /// <param name="epsilon">Added to the norm in the division.</param>
    public static double ClipGradNorm(
        Engine engine,
        ReadOnlySpan<Tensor> gradients,
        double maxNorm,
        double normType = 2,
        double epsilon = 1e-6
    )
    {
        using var grads = new NativeTensors(engine, gradients, nameof(gradients));
        double norm;
        NativeStatus.Check(
            NativeMethods.ClipGradNorm(engine.Handle, grads.Count, grads.Pointer, maxNorm, normType, epsilon, &norm)
        );
        return norm;
    }

    /// <summary>Adaptive gradient clipping per row (arXiv 2102.06171).</summary>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="parameters">The parameters.</param>
    /// <param name="gradients">Their gradients.</param>
    /// <param name="clipVal">Largest ratio of a gradient's norm to its parameter's.</param>
    /// <param name="epsilon">Lower bound of the parameter norm.</param>
    /// <param name="divisionEpsilon">Lower bound of the gradient norm in the division.</param>
    public static void Agc(
        Engine engine,
        ReadOnlySpan<Tensor> parameters,
        ReadOnlySpan<Tensor> gradients,
        double clipVal = 1e-2,
        double epsilon = 1e-3,
        double divisionEpsilon = 1e-6
    )
    {
        CheckPairs(parameters, gradients, nameof(gradients));
        using var values = new NativeTensors(engine, parameters, nameof(parameters));
        using var grads = new NativeTensors(engine, gradients, nameof(gradients));
        NativeStatus.Check(
            NativeMethods.Agc(
                engine.Handle,
                values.Count,
                values.Pointer,
                grads.Pointer,
                clipVal,
                epsilon,
                divisionEpsilon
            )
        );
    }

    /// <summary>The softplus transformation x = log(1 + exp(beta x)) / beta (arXiv 1908.00700) of every element, in place.</summary>
    /// <param name="engine">The engine of the tensors.</param>
    /// <param name="tensors">Tensors of any shape and dtype.</param>
    /// <param name="beta">Sharpness, above 0.</param>
    public static void Softplus(Engine engine, ReadOnlySpan<Tensor> tensors, double beta = 50)
    {
        using var list = new NativeTensors(engine, tensors, nameof(tensors));
        NativeStatus.Check(NativeMethods.Softplus(engine.Handle, list.Count, list.Pointer, beta));
    }

    /// <summary>Subtracts each row's mean from gradients of rank 2 or more (arXiv 2004.01461).</summary>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="gradients">The gradients.</param>
    /// <param name="convOnly">Only rank 4 or more.</param>
    public static void Centralize(Engine engine, ReadOnlySpan<Tensor> gradients, bool convOnly = false)
    {
        using var grads = new NativeTensors(engine, gradients, nameof(gradients));
        NativeStatus.Check(NativeMethods.Centralize(engine.Handle, grads.Count, grads.Pointer, convOnly ? 1 : 0));
    }

    /// <summary>Divides gradients by their standard deviation.</summary>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="gradients">The gradients.</param>
    /// <param name="channels">Per row instead of per tensor.</param>
    /// <param name="epsilon">Added to the standard deviation.</param>
    public static void Normalize(
        Engine engine,
        ReadOnlySpan<Tensor> gradients,
        bool channels = false,
        double epsilon = 1e-8
    )
    {
        using var grads = new NativeTensors(engine, gradients, nameof(gradients));
        NativeStatus.Check(
            NativeMethods.Normalize(engine.Handle, grads.Count, grads.Pointer, channels ? 1 : 0, epsilon)
        );
    }

    /// <summary>Pulls the norm of every row of the parameters to 1 (arXiv 2103.06583).</summary>
    public static void NormLoss(
        Engine engine,
        ReadOnlySpan<Tensor> parameters,
        double learningRate,
        double factor = 1e-4,
        double epsilon = 1e-8
    )
    {
        using var values = new NativeTensors(engine, parameters, nameof(parameters));
        NativeStatus.Check(
            NativeMethods.NormLoss(engine.Handle, values.Count, values.Pointer, learningRate, factor, epsilon)
        );
    }

    /// <summary>Decoupled weight decay divided by the root mean second moment (arXiv 2011.11152); returns that root,
    /// waiting for it.</summary>
    public static double StableWeightDecay(
        Engine engine,
        ReadOnlySpan<Tensor> parameters,
        ReadOnlySpan<Tensor> secondMoments,
        double learningRate,
        double weightDecay,
        double beta2,
        long step
    )
    {
        CheckPairs(parameters, secondMoments, nameof(secondMoments));
        using var values = new NativeTensors(engine, parameters, nameof(parameters));
        using var moments = new NativeTensors(engine, secondMoments, nameof(secondMoments));
        double rms;
        NativeStatus.Check(
            NativeMethods.StableWeightDecay(
                engine.Handle,
                values.Count,
                values.Pointer,
                moments.Pointer,
                learningRate,
                weightDecay,
                beta2,
                step,
                &rms
            )
        );
        return rms;
    }

    /// <summary>Moves the slow weights towards the parameters and the parameters to the slow weights (arXiv
    /// 1907.08610).</summary>
    public static void Lookahead(
        Engine engine,
        ReadOnlySpan<Tensor> parameters,
        ReadOnlySpan<Tensor> slowParameters,
        double alpha = 0.5
    )
    {
        CheckPairs(parameters, slowParameters, nameof(slowParameters));
        using var values = new NativeTensors(engine, parameters, nameof(parameters));
        using var slow = new NativeTensors(engine, slowParameters, nameof(slowParameters));
        NativeStatus.Check(NativeMethods.Lookahead(engine.Handle, values.Count, values.Pointer, slow.Pointer, alpha));
    }

    /// <summary>First step of sharpness-aware minimization (<see cref="SharpnessAwareMinimization"/>): saves the
    /// parameters and moves them to the point of highest loss nearby. The norm is over all tensors given.</summary>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="parameters">The parameters, all with a gradient.</param>
    /// <param name="gradients">Their gradients, which do not change.</param>
    /// <param name="oldParameters">Where the parameters are saved, of the same shapes and types.</param>
    /// <param name="options">The neighbourhood; null = the defaults.</param>
    public static void SamPerturb(
        Engine engine,
        ReadOnlySpan<Tensor> parameters,
        ReadOnlySpan<Tensor> gradients,
        ReadOnlySpan<Tensor> oldParameters,
        SharpnessOptions? options = null
    )
    {
        CheckPairs(parameters, gradients, nameof(gradients));
        CheckPairs(parameters, oldParameters, nameof(oldParameters));
        using var values = new NativeTensors(engine, parameters, nameof(parameters));
        using var grads = new NativeTensors(engine, gradients, nameof(gradients));
        using var old = new NativeTensors(engine, oldParameters, nameof(oldParameters));
        options ??= new SharpnessOptions();
        NativeStatus.Check(
            NativeMethods.SamPerturb(
                engine.Handle,
                values.Count,
                values.Pointer,
                grads.Pointer,
                old.Pointer,
                options.Rho,
                options.Adaptive ? 1 : 0,
                options.PerturbEpsilon,
                options.UseGc ? 1 : 0,
                options.AsamEta
            )
        );
    }

    /// <summary>Second step of sharpness-aware minimization: puts the saved parameters back, to the bit.</summary>
    public static void SamRestore(Engine engine, ReadOnlySpan<Tensor> parameters, ReadOnlySpan<Tensor> oldParameters)
    {
        CheckPairs(parameters, oldParameters, nameof(oldParameters));
        using var values = new NativeTensors(engine, parameters, nameof(parameters));
        using var old = new NativeTensors(engine, oldParameters, nameof(oldParameters));
        NativeStatus.Check(NativeMethods.SamRestore(engine.Handle, values.Count, values.Pointer, old.Pointer));
    }

    /// <summary>Fills tensors with +1 and -1, each with probability 1/2: the probes of Hutchinson's estimator of a Hessian
    /// diagonal (arXiv 2006.00719). Equal on every engine and for every storage type.</summary>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="tensors">What is filled.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="offset">Another one for every probe, such as the number of the step.</param>
    public static void Rademacher(Engine engine, ReadOnlySpan<Tensor> tensors, ulong seed, ulong offset)
    {
        using var probes = new NativeTensors(engine, tensors, nameof(tensors));
        NativeStatus.Check(NativeMethods.Rademacher(engine.Handle, probes.Count, probes.Pointer, seed, offset));
    }

    /// <summary>Norms of the rows of a tensor; a tensor of rank 0 or 1 is a single row.</summary>
    public static double[] UnitNorm(Engine engine, Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        using var tensors = new NativeTensors(engine, new[] { tensor }, nameof(tensor));
        var norms = new double[tensor.Rank >= 2 ? tensor.Shape[0] : 1];
        if (norms.Length > 0)
        {
            fixed (double* values = norms)
            {
                NativeStatus.Check(NativeMethods.UnitNorm(engine.Handle, tensors.Pointer, values));
            }
        }

        return norms;
    }

    private static void CheckPairs(ReadOnlySpan<Tensor> first, ReadOnlySpan<Tensor> second, string parameterName)
    {
        if (first.Length != second.Length)
        {
            throw new ArgumentException(
                $"{first.Length} parameters need as many tensors, not {second.Length}.",
                parameterName
            );
        }
    }
}
