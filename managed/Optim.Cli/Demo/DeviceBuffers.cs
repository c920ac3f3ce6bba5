namespace Optim.Cli.Demo;

/// <summary>
/// The network's parameters where the optimizer sees them: the host buffers themselves on the processor; on another
/// device copies, to which gradients are uploaded before a step and from which parameters are downloaded after it.
/// </summary>
internal sealed class DeviceBuffers : IDisposable
{
    private readonly List<(Tensor Host, Tensor Device)> _values = [];
    private readonly List<(Tensor Host, Tensor Device)> _gradients = [];
    private readonly bool _copies;

    public DeviceBuffers(Network<float> network, Engine engine)
    {
        _copies = engine.Device.Type != DeviceType.Cpu;
        foreach ((Tensor value, Tensor gradient) in network.Parameters)
        {
            _values.Add((value, OnDevice(value, engine)));
            _gradients.Add((gradient, OnDevice(gradient, engine)));
        }
        Copy(_values, toDevice: true);
        Parameters = [.. _values.Zip(_gradients, (value, gradient) => new Parameter(value.Device, gradient.Device))];
    }

    public IReadOnlyList<Parameter> Parameters { get; }

    public void Upload() => Copy(_gradients, toDevice: true);

    public void Download() => Copy(_values, toDevice: false);

    public void Dispose()
    {
        if (_copies)
        {
            _values.ForEach(pair => pair.Device.Dispose());
            _gradients.ForEach(pair => pair.Device.Dispose());
        }
    }

    private Tensor OnDevice(Tensor host, Engine engine) =>
        _copies ? Tensor.Allocate(engine, host.DType, host.Shape) : host;

    private void Copy(List<(Tensor Host, Tensor Device)> pairs, bool toDevice)
    {
        if (!_copies)
        {
            return;
        }

        foreach ((Tensor host, Tensor device) in pairs)
        {
            if (toDevice)
            {
                device.CopyFrom<float>(host.AsSpan<float>());
            }
            else
            {
                device.CopyTo(host.AsSpan<float>());
            }
        }
    }
}
