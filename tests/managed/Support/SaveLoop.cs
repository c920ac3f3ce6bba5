using System.Diagnostics;
using System.Globalization;

namespace Optim.Tests.Support;

/// <summary>A training whose states depend on the number of steps alone. As a program it steps, saves and tells the number of
/// the step, until it is killed; started again, it goes on from the file.</summary>
internal sealed class SaveLoop : IDisposable
{
    private const int Elements = 400_000;

    private readonly Engine _engine = TestDevice.Open();
    private readonly Tensor _value;
    private readonly Tensor _gradient;

    public SaveLoop()
    {
        _value = Tensor.Allocate(_engine, DType.Float32, Elements);
        _gradient = Tensor.Allocate(_engine, DType.Float32, Elements);
        Optimizer = Optimizer.Create("adamw", _engine, [new Parameter(_value, _gradient, "weights")]);
    }

    public Optimizer Optimizer { get; }

    /// <summary>The program.</summary>
    public static int Run(string path)
    {
        using var loop = new SaveLoop();
        if (File.Exists(path))
        {
            loop.Optimizer.Load(path);
        }

        while (true)
        {
            loop.Step();
            loop.Optimizer.Save(path);
            Console.Out.WriteLine(loop.Optimizer.StepCount());
            Console.Out.Flush();
        }
    }

    /// <summary>Starts the program.</summary>
    public static Process Start(string path)
    {
        var start = Child.Command("train", path);
        start.RedirectStandardOutput = true;
        return Process.Start(start)!;
    }

    /// <summary>Reads what the program told after it was killed: the number of the last step whose file was complete; 0 if
    /// none.</summary>
    public static long LastSaved(string output) =>
        output
            .Split('\n')[..^1] // the last line may be incomplete
            .Select(line => long.Parse(line, CultureInfo.InvariantCulture))
            .LastOrDefault();

    public void Step()
    {
        var step = Optimizer.StepCount() + 1;
        _gradient.CopyFrom([.. Enumerable.Range(0, Elements).Select(i => (float)((i + step) % 17))]);
        Optimizer.Step();
    }

    public void Dispose()
    {
        Optimizer.Dispose();
        _value.Dispose();
        _gradient.Dispose();
        _engine.Dispose();
    }
}
