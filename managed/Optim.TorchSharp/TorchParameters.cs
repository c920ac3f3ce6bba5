using System.Collections;

namespace Optim.TorchSharp;

/// <summary>Tensors of TorchSharp as parameters of Optim: <c>TorchParameters.From(engine, model.parameters(), p =>
/// p.Handle)</c>. Any optimizer takes them, and finds their gradients at every step.</summary>
/// <remarks>
/// <para>Parameters and gradients are used where they are, nothing is copied. A gradient may come, move or go between steps; a
/// parameter without one is left alone. A parameter may move, but not change its type, shape, strides or device.</para>
/// <para>The tensors and the memory behind them are kept alive as long as an optimizer may touch it, whatever is disposed
/// first; a step with a disposed tensor throws, and changes nothing.</para>
/// <para>Two handles of one tensor (tied weights) are one parameter, that of the first. Different tensors that share memory are
/// refused by the optimizer.</para>
/// <para>On CUDA the engine must compute on torch's current
/// stream, or on one that waits for it; the default of both is the default stream.</para>
/// </remarks>
public sealed class TorchParameters : IReadOnlyList<Parameter>, IParameterSource, IDisposable
{
    private readonly TorchParameter[] _parameters;
    private bool _disposed;

    private TorchParameters(Engine engine, int count, Func<int, nint> handleOf, Func<int, string?> nameOf)
    {
        var reader = new TorchTensorReader(engine);
        var tensors = new HashSet<nint>();
        var parameters = new List<TorchParameter>(count);
        try
        {
            for (var i = 0; i < count; i++)
            {
                var index = i;
                var parameter = new TorchParameter(this, engine, reader, () => handleOf(index), i, nameOf(i));
                if (tensors.Add(parameter.Identity))
                {
                    parameters.Add(parameter);
                }
                else
                {
                    parameter.Dispose(); // tied weights: a handle of a tensor that is there already
                }
            }
        }
        catch
        {
            parameters.ForEach(parameter => parameter.Dispose());
            throw;
        }

        _parameters = [.. parameters];
    }

    /// <summary>The number of parameters; a tensor that was given twice counts once.</summary>
    public int Count => _parameters.Length;

    /// <summary>One parameter. Its gradient is that of the last refresh.</summary>
    public Parameter this[int index] => _parameters[index].Parameter;

    /// <summary>Parameters over the memory of tensors, without names.</summary>
    /// <typeparam name="TTensor">TorchSharp's Tensor or Parameter, or IntPtr for handles themselves.</typeparam>
    /// <param name="engine">The engine on whose device the tensors are.</param>
    /// <param name="tensors">What to optimize: <c>model.parameters()</c>.</param>
    /// <param name="handle">The native handle of a tensor, asked for at every step: <c>tensor => tensor.Handle</c>. The
    /// at::Tensor it points to must exist whenever it is returned; for a tensor that is disposed it throws an
    /// InvalidOperationException, as TorchSharp's does, or returns 0.</param>
    /// <exception cref="NotSupportedException">A tensor is sparse; is not Float32, Float64, Float16 or BFloat16; is on
    /// another device; has strides that are not dense with dimension 0 outermost; has more than 8 dimensions; or is no leaf.
    /// The message has its index and what is allowed.</exception>
    public static TorchParameters From<TTensor>(Engine engine, IEnumerable<TTensor> tensors, Func<TTensor, nint> handle)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentNullException.ThrowIfNull(handle);
        TTensor[] kept = [.. tensors];
        return new TorchParameters(engine, kept.Length, i => handle(kept[i]), _ => null);
    }

    /// <summary>Parameters over the memory of tensors, with the names that state dictionaries will have.</summary>
    /// <typeparam name="TTensor">TorchSharp's Tensor or Parameter, or IntPtr for handles themselves.</typeparam>
    /// <param name="engine">The engine on whose device the tensors are.</param>
    /// <param name="tensors">What to optimize: <c>model.named_parameters()</c>.</param>
    /// <param name="handle">The native handle of a tensor, as for the tensors without names.</param>
    /// <exception cref="NotSupportedException">As for the tensors without names.</exception>
    public static TorchParameters From<TTensor>(
        Engine engine,
        IEnumerable<(string Name, TTensor Tensor)> tensors,
        Func<TTensor, nint> handle
    )
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentNullException.ThrowIfNull(handle);
        (string Name, TTensor Tensor)[] kept = [.. tensors];
        return new TorchParameters(engine, kept.Length, i => handle(kept[i].Tensor), i => kept[i].Name);
    }

    /// <summary>Finds values and gradients of now. Optimizers do so at every step.</summary>
    /// <exception cref="InvalidOperationException">A tensor is disposed, or has another type, shape or strides than at the
    /// beginning.</exception>
    /// <exception cref="NotSupportedException">A gradient is sparse, or of a type, device, shape or strides that its parameter
    /// does not allow.</exception>
    public void Refresh()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        foreach (var parameter in _parameters)
        {
            parameter.Refresh();
        }
    }

    /// <summary>Gets ready for the next backward pass, which adds to gradients.</summary>
    /// <param name="setToNone">Drops the gradients, so that parameters that get none are left alone by the next step;
    /// false = sets their elements to 0 where they are. Dropped ones are kept by optimizers until the next step or <see
    /// cref="Optimizer.Refresh"/>.</param>
    public void ZeroGrad(bool setToNone = true)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        foreach (var parameter in _parameters)
        {
            if (setToNone)
            {
                parameter.DropGradient();
            }
            else
            {
                parameter.ZeroGradient();
            }
        }
    }

    /// <summary>Lets go of tensors and gradients. Optimizers over them step no more; until they are disposed themselves they
    /// keep the memory alive that they have bound.</summary>
    public void Dispose()
    {
        _disposed = true;
        foreach (var parameter in _parameters)
        {
            parameter.Dispose();
        }
    }

    /// <inheritdoc/>
    public IEnumerator<Parameter> GetEnumerator() => _parameters.Select(parameter => parameter.Parameter).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
