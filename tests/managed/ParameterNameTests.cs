using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>A state that can be saved can be loaded, whatever its parameters are called; each goes back to its own.</summary>
public sealed class ParameterNameTests
{
    private static readonly string[] s_odd =
    [
        "weight", "weight#1", "weight#1#", "#", "0", "1", "2", ".", "..", "a.b", "a.b.exp_avg", "state", "state.0.exp_avg", "__metadata__",
        "\"", "\\", "\\u0041", "\0", "a\n", "\u2028a", "é", "e\u0301", "ß", "İ", "日本語", "🙂", "\ufeff", "\uffff", "name with spaces ",
        "</script>", "{}", "[", "null", "true", "nan",
    ];

    [Fact]
    public void Every_odd_name_comes_back()
    {
        AssertComesBack([[.. s_odd]]);
        AssertComesBack([[new string('é', 100_000), new string('"', 100_000)]]);
    }

    [Fact]
    public void Groups_may_have_parameters_of_equal_names()
    {
        AssertComesBack([["weight", "bias"], ["weight", "bias"], ["bias"]]);
        AssertComesBack([["weight", "weight#2", null], ["weight"], ["2", "weight#3"]]); // "2" is also what the third is called
        AssertComesBack([[.. s_odd], [.. s_odd], [null, .. s_odd.Reverse()]]);
    }

    [Fact]
    public void Names_of_a_group_that_are_equal_are_refused()
    {
        using var engine = TestDevice.Open();
        using var run = new Run(engine, [["a"], ["b"]]);
        Assert.Throws<ArgumentException>(() => new Run(engine, [["b"], ["a", "a"]]).Dispose());
        Assert.Contains(
            "half of a surrogate pair",
            Assert.Throws<ArgumentException>(() => new Run(engine, [["a\ud800"]]).Dispose()).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Names_of_any_characters_come_back()
    {
        const int Rounds = 60;
        var random = new Random(12);
        for (var round = 0; round < Rounds; round++)
        {
            AssertComesBack([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Names(random))]);
        }

        static string?[] Names(Random random) =>
            [.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => Name(random)).Where(name => !string.IsNullOrWhiteSpace(name)).Distinct()];

        static string Name(Random random)
        {
            var runes = Enumerable
                .Range(0, random.Next(1, 6))
                .Select(_ => random.Next(random.Next(2) == 0 ? 0x80 : 0x11_0000))
                .Where(System.Text.Rune.IsValid);
            return random.Next(3) == 0 ? s_odd[random.Next(s_odd.Length)] : string.Concat(runes.Select(value => new System.Text.Rune(value)));
        }
    }

    [Fact]
    public void What_could_not_be_read_is_not_written()
    {
        using var scratch = new Scratch();
        var path = scratch.File("file");
        var half = new TensorSet();
        half.Add("\udc00", [1f], 1);
        Assert.Throws<ArgumentException>(() => SafeTensors.Save(path, half));
        var kept = new TensorSet();
        kept.Add("__metadata__", [1f], 1);
        Assert.Throws<ArgumentException>(() => SafeTensors.Save(path, kept));
        var large = new TensorSet();
        large.Add(new string('n', 100_000_001), [1f], 1);
        var message = Assert.Throws<ArgumentException>(() => SafeTensors.Save(path, large)).Message;
        Assert.Contains("100000000", message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Folder));
    }

    private static void AssertComesBack(string?[][] names)
    {
        using var scratch = new Scratch();
        using var engine = TestDevice.Open();
        using var run = new Run(engine, names);
        using var resumed = new Run(engine, names);
        run.Optimizer.Step();
        var path = scratch.File("run");
        run.Optimizer.Save(path);
        resumed.Optimizer.Load(path);
        for (var i = 0; i < run.Optimizer.Parameters.Count; i++)
        {
            Assert.Equal([0.1f * (i + 1)], resumed.Optimizer.States(i)["exp_avg"].ToDoubles().Select(value => (float)value), (a, b) => Math.Abs(a - b) < 1e-6);
        }

        StateTests.AssertSame(run.Optimizer.StateDict(), resumed.Optimizer.StateDict());
    }

    /// <summary>An optimizer whose parameters have gradients 1, 2, 3, ...</summary>
    private sealed class Run : IDisposable
    {
        private readonly List<Tensor> _tensors = [];

        public Run(Engine engine, string?[][] names)
        {
            var groups = names
                .Select(group => new ParameterGroup([.. group.Select(name => new Parameter(Make(engine, 1), Make(engine, _tensors.Count / 2 + 1), name))]))
                .ToArray();
            Optimizer = Optimizer.Create("adamw", engine, groups);
        }

        public Optimizer Optimizer { get; }

        public void Dispose()
        {
            Optimizer.Dispose();
            _tensors.ForEach(tensor => tensor.Dispose());
        }

        private Tensor Make(Engine engine, float value)
        {
            var tensor = Tensor.Allocate(engine, DType.Float32, 1);
            tensor.CopyFrom([value]);
            _tensors.Add(tensor);
            return tensor;
        }
    }
}
