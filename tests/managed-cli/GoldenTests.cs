using System.Diagnostics;
using System.Globalization;

namespace Optim.Cli.Tests;

/// <summary>The program, as a user starts it, replays all golden cases on every engine; what it writes is compared
/// here.</summary>
public sealed class GoldenTests
{
    private const string SimtLibrary = "OPTIM_SIMT_LIBRARY";

    // The reference ran in float64 too; this is rounding, enlarged by the inverse roots of matrices.
    private const double Float64Tolerance = 1e-9;

    private static readonly string Golden = Path.Combine(Root(), "tests", "golden");

    [Fact]
    public void Processor_in_float32() => Compare(Replay("cpu", "f32", library: null), float64: false);

    [Fact]
    public void Processor_in_float64() => Compare(Replay("cpu", "f64", library: null), float64: true);

    /// <summary>In float32 most of these matrices are beyond what can be asked for; native tests hold the others to
    /// bounds of their own.</summary>
    [Fact]
    public void Matrix_roots_in_float64()
    {
        string folder = Path.Combine(Golden, "roots");
        Dictionary<string, TensorSet> computed = Replay("cpu", "f64", library: null, folder);
        Assert.NotEmpty(computed);
        foreach ((string name, TensorSet tensors) in computed)
        {
            TensorSet golden = SafeTensors.Load(Path.Combine(folder, name + ".safetensors"));
            Assert.Equal(Expected(golden).Order(), tensors.Tensors.Keys.Order());
            Assert.All(
                tensors.Tensors.Keys,
                tensor =>
                {
                    double error = GoldenTolerance.Relative(tensors.GetDoubles(tensor), golden.GetDoubles(tensor));
                    Assert.True(error <= GoldenTolerance.OfRoot(golden), $"{name} {tensor}: {error}");
                }
            );
        }
    }

    [Fact]
    public void Cuda_sources_under_simt_in_float32() => Compare(Replay("cuda", "f32", Simt()), float64: false);

    private static Dictionary<string, TensorSet> Replay(
        string device,
        string dtype,
        string? library,
        string? folder = null)
    {
        using var scratch = new Scratch();
        var start = new ProcessStartInfo(
            "dotnet",
            [
                typeof(Program).Assembly.Location,
                "replay",
                folder ?? Golden,
                scratch.Folder,
                "--device",
                device,
                "--dtype",
                dtype,
            ]
        )
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (library is not null)
        {
            start.ArgumentList.Add("--library");
            start.ArgumentList.Add(library);
        }

        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode}\n{output}\n{errors.Result}");
        Assert.Contains(" 0 skipped, 0 failed", output, StringComparison.Ordinal);
        return Directory
            .GetFiles(scratch.Folder)
            .ToDictionary(file => Path.GetFileNameWithoutExtension(file), SafeTensors.Load);
    }

    private static void Compare(Dictionary<string, TensorSet> computed, bool float64)
    {
        Assert.True(computed.Count >= Catalogue.Rules.Count, $"only {computed.Count} cases were replayed");
        var tolerance = new GoldenTolerance(Golden);
        var worst = new List<(double Excess, string Where)>();
        foreach ((string name, TensorSet tensors) in computed)
        {
            TensorSet golden = SafeTensors.Load(Path.Combine(Golden, name + ".safetensors"));
            string[] expected = Expected(golden);
            Assert.Equal(expected.Order(), tensors.Tensors.Keys.Order());
            foreach (string tensor in expected)
            {
                Assert.Equal(golden.Tensors[tensor].Shape.ToArray(), tensors.Tensors[tensor].Shape.ToArray());
                double[] right = golden.GetDoubles(tensor),
                    ours = tensors.GetDoubles(tensor);
                string initial = $"param.{tensor.Split('.')[1]}.init";
                double excess = float64
                    ? GoldenTolerance.Relative(ours, right) / Float64Tolerance
                    : tolerance.Excess(
                        name,
                        tensor,
                        ours,
                        right,
                        golden.Tensors.ContainsKey(initial) ? golden.GetDoubles(initial) : null);
                if (!(excess <= 1))
                {
                    worst.Add((excess, $"{name} {tensor}"));
                }
            }
        }
        Assert.True(
            worst.Count == 0,
            $"{worst.Count} tensors are beyond the tolerance:\n"
                + string.Join(
                    '\n',
                    worst
                        .OrderByDescending(w => w.Excess)
                        .Take(40)
                        .Select(w =>
                            string.Create(
                                CultureInfo.InvariantCulture,
                                $"{w.Where}: {w.Excess:G3} times what is allowed"))));
    }

    private static string[] Expected(TensorSet golden) =>
        [
            .. golden.Tensors.Keys.Where(key =>
                !key.StartsWith("in.", StringComparison.Ordinal)
                && !key.StartsWith("grad.", StringComparison.Ordinal)
                && !key.StartsWith("aux.", StringComparison.Ordinal)
                && !key.EndsWith(".init", StringComparison.Ordinal)),
        ];

    private static string Simt()
    {
        string path = Environment.GetEnvironmentVariable(SimtLibrary) is { Length: > 0 } given
            ? given
            : Path.Combine(Root(), "build", "simt", "lib", "liboptim.so");
        Assert.True(
            File.Exists(path),
            $"the simt build is missing at {path}; build it (cmake --build --preset simt) or set {SimtLibrary}");
        return path;
    }

    internal static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (Directory.Exists(Path.Combine(folder.FullName, "tests", "golden")))
            {
                return folder.FullName;
            }
        }
        throw new DirectoryNotFoundException($"no tests/golden above {AppContext.BaseDirectory}");
    }
}
