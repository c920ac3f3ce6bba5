namespace Optim.TorchSharp;

/// <summary>One parameter: follows the memory of a torch tensor and of its gradient.</summary>
internal sealed class TorchParameter : IDisposable
{
    private readonly TorchTensorReader _reader;
    private readonly Func<nint> _handleOf;
    private readonly string _what;
    private TorchHandle _value;
    private TorchHandle? _gradient;
    private Tensor? _gradientView;

    /// <summary>A parameter over the memory of a tensor.</summary>
    /// <param name="source">The collection it is of.</param>
    /// <param name="engine">The engine that steps it.</param>
    /// <param name="reader">Scratch memory.</param>
    /// <param name="handleOf">The tensor's handle of now.</param>
    /// <param name="index">Its number in the collection.</param>
    /// <param name="name">Its name in state dictionaries; null = its index.</param>
    public TorchParameter(
        TorchParameters source,
        Engine engine,
        TorchTensorReader reader,
        Func<nint> handleOf,
        int index,
        string? name
    )
    {
        (_reader, _handleOf) = (reader, handleOf);
        _what = name is null ? $"Tensor {index}" : $"Tensor {index} (\"{name}\")";
        var tensor = Handle();
        Read(tensor, "");
        Identity = LibTorchSharp.Identity(tensor);
        if (LibTorchSharp.IsLeaf(tensor) == 0)
        {
            throw new NotSupportedException(
                $"{_what} is the result of an operation, to which backward passes give no gradient; allowed are leaves."
            );
        }

        _value = TorchHandle.Share(tensor);
        try
        {
            var value = Tensor.Borrow(reader.Data, reader.DType, reader.Shape, engine, _value, reader.Strides);
            Parameter = new Parameter(value, name: name) { Source = source };
            RefreshGradient(tensor);
        }
        catch (ArgumentException exception)
        {
            Dispose();
            throw new NotSupportedException($"{_what}: {exception.Message}", exception);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Parameter Parameter { get; } = null!;

    /// <summary>Tells whether another handle was of this tensor.</summary>
    public nint Identity { get; }

    public void Refresh()
    {
        var tensor = Handle();
        Read(tensor, "");
        var value = Parameter.Value;
        if (_reader.DType != value.DType || !_reader.HasLayoutOf(value))
        {
            throw new InvalidOperationException(
                $"{_what} is {_reader} now; the optimizer was made for {value}. Make a new one after changing the model."
            );
        }

        if (_reader.Data != value.Pointer)
        {
            var former = _value;
            _value = TorchHandle.Share(tensor);
            value.Rebind(_reader.Data, _value);
            former.Dispose();
        }

        RefreshGradient(tensor);
    }

    public void DropGradient()
    {
        LibTorchSharp.SetGradient(Handle(), 0);
        LibTorchSharp.CheckError();
        ForgetGradient();
    }

    public void ZeroGradient()
    {
        var gradient = LibTorchSharp.Gradient(Handle());
        if (gradient == 0)
        {
            LibTorchSharp.CheckError();
            return;
        }

        try
        {
            LibTorchSharp.Zero(gradient);
            LibTorchSharp.CheckError();
        }
        finally
        {
            LibTorchSharp.Dispose(gradient);
        }
    }

    /// <summary>Lets go of the memory; a step that still asks for it fails.</summary>
    public void Dispose()
    {
        Parameter?.Value.Dispose();
        _gradientView?.Dispose();
        _value.Dispose();
        _gradient?.Dispose();
    }

    private void RefreshGradient(nint tensor)
    {
        var gradient = LibTorchSharp.Gradient(tensor);
        if (gradient == 0)
        {
            LibTorchSharp.CheckError();
            ForgetGradient();
            return;
        }

        var isTaken = false;
        try
        {
            gradient = Resolved(gradient);
            Read(gradient, "The gradient of ");
            if (!_reader.HasLayoutOf(Parameter.Value))
            {
                throw new NotSupportedException(
                    $"The gradient of {_what} is {_reader}; allowed are shape and strides of the parameter, {Parameter.Value} "
                        + $"with strides [{string.Join(", ", Parameter.Value.Strides.ToArray())}]."
                );
            }

            if (_gradient is null || _gradientView!.DType != _reader.DType || _gradientView.Pointer != _reader.Data)
            {
                isTaken = true;
                TakeGradient(TorchHandle.Own(gradient));
            }
        }
        finally
        {
            if (!isTaken)
            {
                LibTorchSharp.Dispose(gradient);
            }
        }

        Parameter.Gradient = _gradientView;
    }

    /// <summary>The gradient itself, or one that is in memory as it is, instead of it.</summary>
    private static nint Resolved(nint gradient)
    {
        if (LibTorchSharp.IsNegated(gradient) != 1)
        {
            return gradient;
        }

        var resolved = LibTorchSharp.ResolveNegation(gradient);
        if (resolved == 0)
        {
            LibTorchSharp.CheckError();
        }

        LibTorchSharp.Dispose(gradient);
        return resolved;
    }

    private void TakeGradient(TorchHandle gradient)
    {
        var former = _gradient;
        _gradient = gradient;
        if (_gradientView?.DType == _reader.DType)
        {
            _gradientView.Rebind(_reader.Data, gradient);
        }
        else
        {
            var value = Parameter.Value;
            _gradientView = Tensor.Borrow(_reader.Data, _reader.DType, value.Shape, value.Engine, gradient, value.Strides);
        }

        former?.Dispose();
    }

    private void ForgetGradient()
    {
        Parameter.Gradient = null;
        _gradient?.Dispose();
        _gradient = null;
    }

    private nint Handle()
    {
        try
        {
            var tensor = _handleOf();
            return tensor != 0 ? tensor : throw new InvalidOperationException("its handle is 0.");
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidOperationException($"{_what} is gone: {exception.Message}", exception);
        }
    }

    private void Read(nint tensor, string of)
    {
        try
        {
            _reader.Read(tensor);
        }
        catch (NotSupportedException exception)
        {
            throw new NotSupportedException($"{of}{_what} {exception.Message}", exception);
        }
        catch (InvalidOperationException exception)
        {
            throw new NotSupportedException($"{of}{_what} cannot be read: {exception.Message}", exception);
        }
    }
}
