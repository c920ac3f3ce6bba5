// The tasks of the build. build.sh and build.ps1 bootstrap and come here; CMake is configured through its presets only.
#load "cmake/suites.cake"
#load "cmake/packages.cake"

var target = Argument("target", "test");
var force = HasArgument("force");
var arguments = (EnvironmentVariable("OPTIM_ARGUMENTS") ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries);

// With nvcc the library that users get has the CUDA engine.
var hasCuda = Context.Tools.Resolve("nvcc") is not null;
var preset = hasCuda ? "cuda" : "cpu";
const string Solution = "Optim.sln";
const string Cli = "managed/Optim.Cli/Optim.Cli.csproj";
const string Optim = "artifacts/bin/optim";
const string Library = "artifacts/lib/liboptim.so";

// Debian's Python has Debian's torch, whatever python3 is first on PATH.
string Python = EnvironmentVariable("OPTIM_PYTHON") ?? (IsRunningOnWindows() ? "python" : "/usr/bin/python3");

void Execute(string tool, ProcessArgumentBuilder list, Dictionary<string, string> environment = null)
{
    var code = StartProcess(tool, new ProcessSettings { Arguments = list, EnvironmentVariables = environment });
    if (code != 0)
    {
        throw new CakeException($"{tool} {list.RenderSafe()} failed with exit code {code}");
    }
}

ProcessArgumentBuilder List(params string[] items) =>
    items.Aggregate(new ProcessArgumentBuilder(), (list, item) => list.AppendQuoted(item));

// Configures every time: a second takes note of what the set-up script has installed since.
void Native(string name, params string[] targets)
{
    Execute("cmake", List("--preset", name));
    var goals = targets.Length == 0 ? [] : targets.Prepend("--target");
    Execute("cmake", List(["--build", "--preset", name, .. goals]));
}

string Absolute(string path) => System.IO.Path.GetFullPath(path);

void Dotnet(params string[] items) => Execute("dotnet", List(items));

Task("native").Description("build the native library into artifacts/lib (with CUDA where nvcc is found)").Does(() =>
{
    Native(preset);
    Execute("cmake", List("--install", $"build/{preset}", "--prefix", "artifacts"));
    if (!hasCuda)
    {
        Warning("CUDA was left out: there is no nvcc (cmake/setup-debian.sh --cuda installs it)");
    }
});

Task("managed").Description("build the .NET projects, and the command optim into artifacts/bin").IsDependentOn("native").Does(() =>
{
    Dotnet("build", Solution, "--configuration", "Release", "--verbosity", "quiet");
    Dotnet("publish", Cli, "--configuration", "Release", "--no-build", "--output", "artifacts/bin", "--verbosity", "quiet");
});

Task("generate").Description("write the generated C#, Python and docs from optim.h and the library's schema").IsDependentOn("native").Does(() =>
    Dotnet("run", "--project", "bindings/Optim.Generator", "--configuration", "Release"));

Task("demo").Description("train a small network on handwritten digits with every optimizer").IsDependentOn("managed").Does(() =>
    Execute(Optim, List(["demo", .. arguments])));

Task("bench").Description("measure every rule against the memory bandwidth").IsDependentOn("managed").Does(() =>
    Execute(Optim, List(["bench", .. arguments])));

Task("test").Description("build everything and run all tests").IsDependentOn("managed").Does(() =>
{
    string[] presets = [preset, "cpu-clang", "simt", "simt-asan"];
    foreach (var name in presets.Skip(1))
    {
        Native(name);
    }

    string[] native = ["native", "tests/native", "tests/fuzz", "tests/simt", "tests/golden", "examples", "cmake",
        "docs", "README.md", "CMakeLists.txt", "CMakePresets.json", "build.cake"];
    var suites = new Suites(Context, force, Python);
    foreach (var name in presets)
    {
        suites.Run($"native ({name})", [.. native, $"build/{name}/lib", $"build/{name}/bin"], () => suites.Ctest(name));
    }

    string[] managed = [.. native, "managed", "bindings", "tests", "Directory.Build.props",
        "Directory.Packages.props", "global.json", Solution, Library, $"build/{preset}/lib", "build/simt/lib"];
    suites.Run("managed (cpu)", managed, () => suites.Dotnet(Solution, new()
    {
        ["OPTIM_LIBRARY"] = Absolute(Library),
    }));
    suites.Run("managed (simt)", managed, () => suites.Dotnet(Solution, new()
    {
        ["OPTIM_LIBRARY"] = Absolute("build/simt/lib/liboptim.so"),
        ["OPTIM_TEST_DEVICE"] = "cuda",
    }));
    suites.Run("packages", [.. managed, "Directory.Build.targets", "LICENSE"], () =>
    {
        Pack("build/packages");
        Pack("build/packages-again");
        return suites.Tap("tests/packages/run.sh");
    });
    string[] python = ["bindings/python", "benchmarks", "tests/python", "tests/golden", "docs", "README.md", Library, "build/simt/lib",
        "build.cake", "cmake/suites.cake"];
    suites.Run("python (cpu)", python, () =>
        suites.Pytest("python-cpu", "tests/python", new() { ["OPTIM_LIBRARY"] = Absolute(Library) }));
    suites.Run("python (simt)", python, () => suites.Pytest("python-simt", "tests/python/test_device_arrays.py", new()
    {
        ["OPTIM_LIBRARY"] = Absolute("build/simt/lib/liboptim.so"),
        ["OPTIM_TEST_DEVICE"] = "cuda",
    }));
    suites.Run("one-file rule", managed, () => suites.Tap("tests/one_file_rule/run.sh"));

    if (!hasCuda)
    {
        Warning("CUDA was left out: there is no nvcc (cmake/setup-debian.sh --cuda installs it)");
    }

    suites.Finish();
});

Task("pack").Description("build the NuGet packages and the Python wheel into artifacts/packages").IsDependentOn("managed").Does(() =>
    Pack("artifacts/packages"));

Task("all").Description("managed, test and pack").IsDependentOn("test").IsDependentOn("pack");

RunTarget(target);
