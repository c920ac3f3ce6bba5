using System.Diagnostics;
using System.Runtime.CompilerServices;
using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>Whatever is moved, replaced, disposed or abandoned, and in whatever order: no address is used beyond its ends or
/// after it was freed. Each scenario is a process of its own, since one that does so ends.</summary>
public sealed class GuardedMemoryTests
{
    private static readonly Dictionary<string, Action<GuardedTensors>> s_scenarios = new()
    {
        ["steps"] = Steps,
        ["mixed types"] = MixedTypes,
        ["state views"] = StateViews,
        ["sharpness"] = Sharpness,
        ["surgery"] = Surgery,
        ["functions"] = Functions,
        ["scaler"] = Scaler,
        ["checkpoints"] = Checkpoints,
        ["finalizers"] = Finalizers,
        ["another thread"] = AnotherThread,
    };

    public static TheoryData<string, bool> Scenarios()
    {
        var data = new TheoryData<string, bool>();
        foreach (var scenario in s_scenarios.Keys)
        {
            data.Add(scenario, true);
            data.Add(scenario, false);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Scenarios))]
    public void Nothing_is_touched_that_may_not_be(string scenario, bool atEnd)
    {
        if (!OperatingSystem.IsLinux() || !TestDevice.IsCpu)
        {
            return; // the memory of a device cannot be guarded
        }

        Assert.Equal((0, ""), Start($"{scenario}{(atEnd ? " at the end" : "")}"));
    }

    [Fact]
    public void Who_touches_guarded_memory_ends()
    {
        if (OperatingSystem.IsLinux())
        {
            Assert.NotEqual(0, Start("crash").ExitCode);
        }
    }

    /// <summary>The program of the tests.</summary>
    internal static int Run(string scenario)
    {
        const string AtEnd = " at the end";
        var atEnd = scenario.EndsWith(AtEnd, StringComparison.Ordinal);
        using var engine = new Engine(Device.Cpu, threads: 2);
        var tensors = new GuardedTensors(engine, atEnd);
        if (scenario == "crash")
        {
            var tensor = tensors.Make(DType.Float32, 4);
            var span = tensor.AsSpan<float>();
            tensors.Free(tensor);
            return (int)span[0];
        }

        s_scenarios[atEnd ? scenario[..^AtEnd.Length] : scenario](tensors);
        Garbage.Collect();
        return 0;
    }

    private static (int ExitCode, string Errors) Start(string scenario)
    {
        var start = Child.Command("guarded", scenario);
        start.RedirectStandardError = true;
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        using var program = Process.Start(start)!;
        var errors = program.StandardError.ReadToEnd();
        program.WaitForExit();
        return (program.ExitCode, errors);
    }

    private static Parameter[] Parameters(GuardedTensors tensors, DType dtype = DType.Float32) =>
        [
            .. new long[][] { [7, 3], [1], [], [13], [0, 2], [3, 5, 2], [70, 71] }.Select(shape => new Parameter(
                tensors.Make(dtype, shape),
                tensors.Make(dtype, shape)
            )),
        ];

    private static void Free(GuardedTensors tensors, Parameter[] parameters)
    {
        tensors.Free(parameters.Select(parameter => parameter.Value));
        tensors.Free(parameters.Select(parameter => parameter.Gradient).OfType<Tensor>());
    }

    // Gradients are replaced and go, values move; what was there before is freed at once.
    private static void Steps(GuardedTensors tensors)
    {
        foreach (var rule in Catalogue.Rules)
        {
            var parameters = Parameters(tensors);
            foreach (var parameter in parameters)
            {
                foreach (var input in rule.Needs)
                {
                    parameter.Inputs[input] = tensors.Like(parameter.Value);
                }
            }

            using var optimizer = Optimizer.Create(rule.Name, tensors.Engine, parameters, null, new Helpers { ClipNorm = 1, LookaheadK = 2 });
            optimizer.Step();
            foreach (var parameter in parameters)
            {
                var former = parameter.Gradient!;
                parameter.Gradient = tensors.Like(parameter.Value);
                tensors.Free(former);
            }

            optimizer.Step();
            foreach (var parameter in parameters.Where(parameter => parameter.Value.ElementCount > 0))
            {
                tensors.Move(parameter.Value);
                tensors.Move(parameter.Gradient!);
                foreach (var input in rule.Needs)
                {
                    tensors.Move(parameter.Inputs[input]!);
                }
            }

            optimizer.Step();
            var absent = parameters[0].Gradient!;
            parameters[0].Gradient = null;
            tensors.Free(absent);
            optimizer.Step();
            Free(tensors, parameters);
            Assert.Throws<ObjectDisposedException>(optimizer.Step);
        }
    }

    private static void MixedTypes(GuardedTensors tensors)
    {
        foreach (var dtype in Enum.GetValues<DType>())
        {
            var parameters = Parameters(tensors, dtype);
            var storage = new OptimizerStorage { MasterWeights = dtype is DType.Float16 or DType.BFloat16 };
            using var optimizer = Optimizer.Create("lamb", tensors.Engine, parameters, null, null, storage);
            optimizer.Step();
            var wrong = tensors.Make(dtype == DType.Float16 ? DType.BFloat16 : DType.Float16, 7, 3);
            var right = parameters[0].Gradient!;
            parameters[0].Gradient = wrong;
            Assert.Throws<InvalidOperationException>(optimizer.Step);
            parameters[0].Gradient = right;
            optimizer.Step();
            Assert.Equal(2, optimizer.StepCount());
            Free(tensors, parameters);
        }
    }

    private static void StateViews(GuardedTensors tensors)
    {
        var parameters = Parameters(tensors);
        var optimizer = Optimizer.Create("adamw", tensors.Engine, parameters);
        optimizer.Step();
        var states = optimizer.States(6);
        using var other = Optimizer.Create("sgd", tensors.Engine, [new Parameter(states["exp_avg"], states["exp_avg_sq"])]);
        other.Step();
        optimizer.Groups[0]["ams_bound"] = 1; // other states, in other memory
        Assert.Throws<ObjectDisposedException>(() => states["exp_avg"].ToDoubles());
        Assert.Throws<ObjectDisposedException>(other.Step);
        states = optimizer.States(6);
        Free(tensors, parameters);
        optimizer.Dispose();
        Assert.All(states.Values, state => Assert.Throws<ObjectDisposedException>(() => state.ToDoubles()));
    }

    private static void Sharpness(GuardedTensors tensors)
    {
        var parameters = Parameters(tensors);
        using var optimizer = Optimizer.Create("sgd", tensors.Engine, parameters);
        using var sam = new SharpnessAwareMinimization(optimizer, new SharpnessOptions { Adaptive = true });
        for (var step = 0; step < 3; step++)
        {
            sam.FirstStep();
            foreach (var parameter in parameters.Where(parameter => parameter.Value.ElementCount > 0))
            {
                tensors.Move(parameter.Value);
                tensors.Free(parameter.Gradient!);
                parameter.Gradient = tensors.Like(parameter.Value);
            }

            sam.SecondStep();
        }

        sam.FirstStep();
        tensors.Free(parameters[0].Value);
        Assert.Throws<ObjectDisposedException>(sam.Restore);
        sam.Dispose();
        Assert.Throws<ObjectDisposedException>(sam.Restore);
    }

    private static void Surgery(GuardedTensors tensors)
    {
        long[][] shapes = [[7, 3], [13]];
        Tensor[][] tasks = [.. Enumerable.Range(0, 3).Select(_ => shapes.Select(shape => tensors.Make(DType.Float32, shape)).ToArray())];
        Tensor[] merged = [.. shapes.Select(shape => tensors.Make(DType.Float32, shape))];
        GradientSurgery.Merge(tensors.Engine, tasks, merged);
        GradientSurgery.Merge(tensors.Engine, [[tasks[0][0], null], [null, tasks[1][1]]], merged, GradientReduction.Mean);
        GradientSurgery.Merge(tensors.Engine, tasks, tasks[0]);
        tensors.Free(tasks[2]);
        Assert.Throws<ObjectDisposedException>(() => GradientSurgery.Merge(tensors.Engine, tasks, merged));
        GradientSurgery.Merge(tensors.Engine, tasks[..2], merged);
    }

    private static void Functions(GuardedTensors tensors)
    {
        var engine = tensors.Engine;
        foreach (var dtype in Enum.GetValues<DType>())
        {
            Tensor[] Make() => [.. Parameters(tensors, dtype).Select(parameter => parameter.Value)];
            var (values, gradients, other) = (Make(), Make(), Make());
            using var scale = tensors.Make(DType.Float32);
            using var flag = tensors.Make(DType.Float32);
            Action[] functions =
            [
                () => HelperFunctions.Unscale(engine, gradients, scale, flag),
                () => HelperFunctions.ClipGradValue(engine, gradients, 0.5),
                () => HelperFunctions.ClipGradNorm(engine, gradients, 1),
                () => HelperFunctions.Agc(engine, values, gradients),
                () => HelperFunctions.Centralize(engine, gradients),
                () => HelperFunctions.Normalize(engine, gradients),
                () => HelperFunctions.NormLoss(engine, values, 0.1),
                () => HelperFunctions.Softplus(engine, other),
                () => HelperFunctions.StableWeightDecay(engine, values, other, 0.1, 0.1, 0.9, 3),
                () => HelperFunctions.Lookahead(engine, values, other),
                () => HelperFunctions.SamPerturb(engine, values, gradients, other),
                () => HelperFunctions.SamRestore(engine, values, other),
                () => HelperFunctions.Rademacher(engine, gradients, 1, 2),
                () => _ = HelperFunctions.UnitNorm(engine, values[0]),
                () => _ = HelperFunctions.UnitNorm(engine, gradients[0]),
            ];
            Assert.All(functions, function => function());
            tensors.Free(values[0], gradients[0], other[0]);
            Assert.All(functions, function => Assert.Throws<ObjectDisposedException>(function));
        }

        var (matrices, roots) = (tensors.Make(DType.Float32, 5, 5), tensors.Make(DType.Float32, 5, 5));
        _ = MatrixRoots.Inverse(engine, [matrices], [roots], 4);
        _ = MatrixRoots.CoupledNewton(engine, [matrices], [roots], 2);
        tensors.Free(roots);
        Assert.Throws<ObjectDisposedException>(() => MatrixRoots.Inverse(engine, [matrices], [roots], 4));
    }

    private static void Scaler(GuardedTensors tensors)
    {
        var parameters = Parameters(tensors);
        using var optimizer = Optimizer.Create("adamw", tensors.Engine, parameters);
        var (scale, found) = (tensors.Make(DType.Float32), tensors.Make(DType.Float32));
        found.CopyFrom([0f]);
        optimizer.Step(new StepOptions { GradScale = scale, FoundInf = found, Overflow = found });
        tensors.Free(scale, found);
        optimizer.Step();
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(new StepOptions { FoundInf = found }));

        var scaler = new GradientScaler(tensors.Engine);
        scaler.Step(optimizer);
        scaler.Update();
        scaler.Unscale(optimizer);
        tensors.Free(parameters[1].Gradient!);
        Assert.Throws<ObjectDisposedException>(() => scaler.Step(optimizer));
        parameters[1].Gradient = null;
        scaler.Step(optimizer);
        var (live, flag) = (scaler.Scale, scaler.FoundInf);
        scaler.Dispose();
        Assert.Throws<ObjectDisposedException>(() => live.ToDoubles());
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(new StepOptions { FoundInf = flag }));
        Assert.Throws<ObjectDisposedException>(scaler.Update);
        Assert.Throws<ObjectDisposedException>(() => scaler.GetScale());
        optimizer.Step();
        Free(tensors, parameters);
    }

    private static void Checkpoints(GuardedTensors tensors)
    {
        using var scratch = new Scratch();
        var path = scratch.File("run");
        var parameters = Parameters(tensors, DType.BFloat16);
        using var optimizer = Optimizer.Create("adamw", tensors.Engine, parameters);
        using var kept = Optimizer.Create("adamw", tensors.Engine, parameters, null, null, new OptimizerStorage { MasterWeights = true });
        optimizer.Step();
        optimizer.Save(path);
        foreach (var parameter in parameters.Where(parameter => parameter.Value.ElementCount > 0))
        {
            tensors.Move(parameter.Value); // master weights are taken from where it is
        }

        kept.Load(path);
        kept.Step();
        tensors.Free(parameters[0].Value);
        Assert.Throws<ObjectDisposedException>(() => kept.Load(path));
        optimizer.Load(path);
        optimizer.Save(path);
        using var file = SafeTensorsFile.Open(path);
        Assert.Throws<ObjectDisposedException>(() => optimizer.LoadStateDict(new Disposing(file, optimizer)));
        Assert.Throws<ObjectDisposedException>(() => optimizer.Save(path));
    }

    // Nothing is disposed, and only part of it is still used.
    private static void Finalizers(GuardedTensors tensors)
    {
        for (var kept = 0; kept < 6; kept++)
        {
            var use = Abandon(tensors, kept);
            Garbage.Collect();
            use();
            Garbage.Collect();
            use();
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        static Action Abandon(GuardedTensors tensors, int kept)
        {
            var engine = new Engine(Device.Cpu, threads: 1);
            var own = new GuardedTensors(engine, atEnd: true);
            var parameters = Parameters(own);
            var optimizer = Optimizer.Create("adamw", engine, parameters);
            var sam = new SharpnessAwareMinimization(optimizer);
            var scaler = new GradientScaler(engine);
            scaler.Step(optimizer);
            sam.FirstStep();
            var state = optimizer.States(0)["exp_avg"];
            var gradient = parameters[6].Gradient!;
            return kept switch
            {
                0 => optimizer.Step,
                1 => () =>
                {
                    sam.SecondStep();
                    sam.FirstStep();
                },
                2 => () =>
                {
                    scaler.Update();
                    _ = scaler.GetScale();
                },
                3 => () => state.ToDoubles(),
                4 => () => gradient.CopyFromDoubles(gradient.ToDoubles()),
                _ => engine.Synchronize,
            };
        }
    }

    // As a finalizer may: everything is disposed on another thread while it is used.
    private static void AnotherThread(GuardedTensors tensors)
    {
        for (var round = 0; round < 60; round++)
        {
            var parameters = Parameters(tensors);
            var optimizer = Optimizer.Create("adamw", tensors.Engine, parameters);
            var (state, gradient) = (optimizer.States(6)["exp_avg"], parameters[6].Gradient!);
            using var scaler = new GradientScaler(tensors.Engine);
            Action use = (round % 4) switch
            {
                0 => () =>
                {
                    scaler.Step(optimizer);
                    scaler.Update();
                },
                1 => () => HelperFunctions.ClipGradNorm(tensors.Engine, [gradient], 1),
                2 => () => gradient.CopyFromDoubles(gradient.ToDoubles()),
                _ => () => state.ToDoubles(),
            };
            var disposal = new Thread(() =>
            {
                Thread.SpinWait(2000 * round);
                Free(tensors, parameters);
                optimizer.Dispose();
            });
            disposal.Start();
            Exception? end = null;
            while (end is null)
            {
                end = Record.Exception(use);
            }

            Assert.IsType<ObjectDisposedException>(end);
            disposal.Join();
        }
    }

    /// <summary>Disposes the optimizer that reads it.</summary>
    private sealed class Disposing(ITensorSource source, Optimizer optimizer) : ITensorSource
    {
        public IReadOnlyDictionary<string, string> Metadata => source.Metadata;

        public IReadOnlyDictionary<string, TensorInfo> Tensors => source.Tensors;

        public void Read(string name, long offset, Span<byte> destination)
        {
            optimizer.Dispose();
            source.Read(name, offset, destination);
        }
    }
}
