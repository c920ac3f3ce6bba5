namespace Optim.Interop;

/// <summary>Memory on the device of an engine.</summary>
internal sealed unsafe class BufferHandle : NativeHandle
{
    private readonly EngineHandle _engine;

    public BufferHandle(nint buffer, EngineHandle engine)
    {
        SetHandle(buffer);
        _engine = engine;
        Keep(0, engine);
    }

    public nint Pointer => handle;

    protected override void Free(nint handle) => NativeMethods.BufferFree(_engine.DangerousGetHandle(), (void*)handle);
}
