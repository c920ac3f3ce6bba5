// Test suites and the record of their last success. A suite whose inputs (sources, test data, libraries and programs under
// test, environment) have not changed by a single byte since it last passed is not run again; its recorded counts are
// printed and said to be recorded.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using IO = System.IO;

public sealed record Counts(int Passed, int Failed, int Skipped)
{
    public static Counts operator +(Counts a, Counts b) =>
        new(a.Passed + b.Passed, a.Failed + b.Failed, a.Skipped + b.Skipped);

    public override string ToString() =>
        $"{Passed} passed, {Failed} failed" + (Skipped > 0 ? $", {Skipped} skipped" : "");
}

public sealed record Stamp(string Fingerprint, Counts Counts, string Date);

public sealed class Suites(ICakeContext context, bool force)
{
    private const string Results = "build/test-results";
    private readonly List<string> lines = [];
    private Counts total = new(0, 0, 0);

    public void Run(string name, IEnumerable<string> inputs, Func<Counts> run)
    {
        IO.Directory.CreateDirectory(Results);
        var file = IO.Path.Combine(Results, string.Concat(name.Where(c => char.IsLetterOrDigit(c) || c == '-')) + ".stamp");
        var fingerprint = Fingerprint(inputs);
        var stamp = IO.File.Exists(file) ? JsonSerializer.Deserialize<Stamp>(IO.File.ReadAllText(file)) : null;
        var recorded = !force && stamp?.Fingerprint == fingerprint;
        if (!recorded)
        {
            IO.File.Delete(file);
            stamp = new(fingerprint, run(), DateTime.UtcNow.ToString("u"));
            if (stamp.Counts is { Failed: 0, Passed: > 0 })
            {
                IO.File.WriteAllText(file, JsonSerializer.Serialize(stamp));
            }
        }

        var counts = stamp.Counts.Passed + stamp.Counts.Failed == 0 ? new(0, 1, 0) : stamp.Counts;
        lines.Add($"{name,-20} {counts}" + (recorded ? $"   (recorded {stamp.Date}; nothing has changed since)" : ""));
        total += counts;
    }

    public void Finish()
    {
        lines.ForEach(line => context.Information(line));
        IO.File.WriteAllText(IO.Path.Combine(Results, "total.txt"), $"{total}\n");
        if (total.Failed > 0)
        {
            throw new CakeException($"{total}");
        }
    }

    // Tests of GoogleTest programs count one by one, other tests of ctest as one each.
    public Counts Ctest(string preset)
    {
        var results = $"build/{preset}/test-results";
        if (IO.Directory.Exists(results))
        {
            IO.Directory.Delete(results, recursive: true);
        }

        IO.Directory.CreateDirectory(results);
        var junit = IO.Path.GetFullPath($"{results}/ctest.xml");
        Start("ctest", $"--preset {preset} --parallel {Environment.ProcessorCount} --output-junit {junit}");
        if (!IO.File.Exists(junit))
        {
            return new(0, 1, 0);
        }

        var counts = new Counts(0, 0, 0);
        foreach (var test in XDocument.Load(junit).Descendants("testcase"))
        {
            var status = test.Attribute("status").Value;
            var outcome = status == "run" ? new Counts(1, 0, 0) : status == "disabled" ? new(0, 0, 1) : new(0, 1, 0);
            var details = $"{results}/{test.Attribute("name").Value}.json";
            var inner = IO.File.Exists(details) ? GoogleTest(details) : outcome;
            counts += inner.Failed == 0 && outcome.Failed > 0 ? inner + outcome : inner;
        }

        return counts;
    }

    public Counts Dotnet(string solution, Dictionary<string, string> environment)
    {
        var results = $"{Results}/managed";
        if (IO.Directory.Exists(results))
        {
            IO.Directory.Delete(results, recursive: true);
        }

        var code = Start(
            "dotnet",
            $"test {solution} --configuration Release --no-build -m:1 --logger trx --results-directory {results} --verbosity quiet",
            environment);
        var counts = new Counts(0, 0, 0);
        if (IO.Directory.Exists(results))
        {
            foreach (var trx in IO.Directory.EnumerateFiles(results, "*.trx", SearchOption.AllDirectories))
            {
                var counters = XDocument.Load(trx).Descendants().First(element => element.Name.LocalName == "Counters");
                int Count(string name) => int.Parse(counters.Attribute(name).Value);
                counts += new Counts(Count("passed"), Count("executed") - Count("passed"), Count("total") - Count("executed"));
            }
        }

        return code != 0 && counts.Failed == 0 ? counts + new Counts(0, 1, 0) : counts;
    }

    // Debian's Python has Debian's torch, whatever python3 is first on PATH.
    public Counts Pytest(string name, string path, Dictionary<string, string> environment)
    {
        var junit = $"{Results}/{name}.xml";
        IO.File.Delete(junit);
        var python = Environment.GetEnvironmentVariable("OPTIM_PYTHON") ?? "/usr/bin/python3";
        var code = Start(
            python,
            $"-m pytest {path} --quiet -p no:cacheprovider --junit-xml={junit}",
            new(environment) { ["PYTHONDONTWRITEBYTECODE"] = "1" });
        var counts = new Counts(0, 0, 0);
        foreach (var suite in IO.File.Exists(junit) ? XDocument.Load(junit).Descendants("testsuite") : [])
        {
            int Count(string attribute) => int.Parse(suite.Attribute(attribute).Value);
            var (failed, skipped) = (Count("failures") + Count("errors"), Count("skipped"));
            counts += new Counts(Count("tests") - failed - skipped, failed, skipped);
        }

        return code != 0 && counts.Failed == 0 ? counts + new Counts(0, 1, 0) : counts;
    }

    // A program that prints "ok ..." or "not ok ..." for every test.
    public Counts Tap(string program)
    {
        var settings = new ProcessSettings { RedirectStandardOutput = true };
        var code = context.StartProcess(program, settings, out var output);
        var counts = new Counts(0, 0, 0);
        foreach (var line in output)
        {
            context.Information(line);
            counts += new Counts(line.StartsWith("ok ") ? 1 : 0, line.StartsWith("not ok ") ? 1 : 0, 0);
        }

        return code != 0 && counts.Failed == 0 ? counts + new Counts(0, 1, 0) : counts;
    }

    private static Counts GoogleTest(string file)
    {
        var counts = new Counts(0, 0, 0);
        using var document = JsonDocument.Parse(IO.File.ReadAllText(file));
        foreach (var test in document.RootElement.GetProperty("testsuites").EnumerateArray()
            .SelectMany(suite => suite.GetProperty("testsuite").EnumerateArray()))
        {
            counts += test.TryGetProperty("failures", out _) ? new Counts(0, 1, 0)
                : test.GetProperty("result").GetString() == "COMPLETED" ? new(1, 0, 0) : new(0, 0, 1);
        }

        return counts;
    }

    private int Start(string tool, string arguments, Dictionary<string, string> environment = null) =>
        context.StartProcess(tool, new ProcessSettings { Arguments = arguments, EnvironmentVariables = environment });

    // Content of all files (build outputs of .NET and Python excepted: they follow from the sources), and what of the machine may matter.
    private static string Fingerprint(IEnumerable<string> inputs)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        void Add(string text) => hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));

        var files = inputs.Where(IO.Directory.Exists)
            .SelectMany(folder => IO.Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            .Concat(inputs.Where(IO.File.Exists))
            .Select(path => path.Replace('\\', '/'))
            .Where(path => !path.Contains("/obj/") && !(path.Contains("/bin/") && !path.StartsWith("build/")))
            .Where(path => !path.Contains("/__pycache__/"))
            .Distinct().Order(StringComparer.Ordinal);
        foreach (var path in files)
        {
            Add(path);
            using var stream = IO.File.OpenRead(path);
            hash.AppendData(SHA256.HashData(stream));
        }

        string[] prefixes = ["OPTIM_", "OMP_", "GTEST_", "CUDA_"];
        foreach (var variable in Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
            .Select(entry => $"{entry.Key}={entry.Value}")
            .Where(text => prefixes.Any(text.StartsWith)).Order(StringComparer.Ordinal))
        {
            Add(variable);
        }

        Add($"{Environment.ProcessorCount} processors, .NET {Environment.Version}, GPU: {IO.File.Exists("/dev/nvidia0")}");
        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
