using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>A state that does not fit is refused by name, and nothing has changed.</summary>
public sealed class StateMisuseTests
{
    public static TheoryData<string, string> Changes() =>
        new()
        {
            { "other rule", "\"adam\"" },
            { "no rule", "\"rule\"" },
            { "other format", "\"optim-checkpoint-99\"" },
            { "no helpers", "\"helpers\"" },
            { "helpers no object", "\"helpers\"" },
            { "other helper setting", "clip_norm = 2" },
            { "unknown helper", "\"clip_ears\"" },
            { "memory order", "\"order\":[1,0]" },
            { "parameter type", "\"dtype\":\"F16\"" },
            { "stepped missing", "parameters[0].stepped" },
            { "missing", "\"state.1.exp_avg\"" },
            { "extra", "\"state.1.surprise\"" },
            { "shape", "[6, 1]" },
            { "dtype", "F64" },
            { "parameters", "layer0" },
            { "fewer parameters", "0 parameters" },
            { "groups not JSON", "no sound JSON" },
            { "a name twice", "no sound JSON" },
            { "broken text", "no sound JSON" },
            { "groups no array", "no JSON array" },
            { "two groups", "2 groups" },
            { "negative step", "parameters[0].step = -3" },
            { "fractional step", "parameters[0].step = 1.5" },
            { "step is text", "parameters[0].step of the state is \"many\", not a number, \"nan\", \"inf\", \"-inf\"" },
            { "step is NaN", "parameters[0].step = NaN" },
            { "hyper out of range", "beta1 = 7 is not a number in [0, 1)" },
            { "hyper is no number", "groups[0].hypers.beta1" },
            { "hyper is another word", "groups[0].hypers.beta1 of the state is \"NaN\", not a number" },
            { "hyper missing", "groups[0].hypers.beta1 of the state is missing" },
            { "hyper unknown", "\"gamma1\"" },
        };

    [Theory]
    [MemberData(nameof(Changes))]
    public void A_foreign_state_is_refused_whole(string change, string named)
    {
        using var scratch = new Scratch();
        using var model = new Model();
        using var optimizer = model.Optimizer("adamw");
        model.Train(optimizer, 1, 2);
        var state = optimizer.StateDict();
        model.Train(optimizer, 3, 4);
        var before = optimizer.StateDict();
        Apply(change, state);

        var exception = Assert.Throws<OptimException>(() => optimizer.LoadStateDict(state));
        Assert.Contains(named, exception.Message, StringComparison.Ordinal);
        SafeTensors.Save(scratch.File("foreign"), state);
        Assert.Throws<OptimException>(() => optimizer.Load(scratch.File("foreign")));
        StateTests.AssertSame(before, optimizer.StateDict());
        optimizer.Step();
        Assert.Equal(5, optimizer.StepCount());
    }

    [Fact]
    public void A_source_that_fails_while_it_is_read_leaves_no_optimizer_that_steps()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("adamw");
        model.Train(optimizer, 1, 2);
        var state = optimizer.StateDict();
        model.Train(optimizer, 3, 4);
        Assert.Throws<IOException>(() => optimizer.LoadStateDict(new FailingSource(state)));
        var values = model.Values;
        Assert.Contains("half loaded", Assert.Throws<InvalidOperationException>(optimizer.Step).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => optimizer.StateDict());
        Assert.Equal(values, model.Values);
        optimizer.LoadStateDict(state);
        StateTests.AssertSame(state, optimizer.StateDict());
        optimizer.Step();
    }

    [Fact]
    public void A_truncated_file_changes_nothing()
    {
        using var scratch = new Scratch();
        using var model = new Model();
        using var optimizer = model.Optimizer("adamw");
        model.Train(optimizer, 1, 2);
        optimizer.Save(scratch.File("whole"));
        var bytes = File.ReadAllBytes(scratch.File("whole"));
        var before = optimizer.StateDict();
        foreach (var length in new[] { 0, 7, 8, 100, bytes.Length / 2, bytes.Length - 1 })
        {
            File.WriteAllBytes(scratch.File("part"), bytes[..length]);
            Assert.Throws<FormatException>(() => optimizer.Load(scratch.File("part")));
        }

        Assert.Throws<FileNotFoundException>(() => optimizer.Load(scratch.File("none")));
        StateTests.AssertSame(before, optimizer.StateDict());
    }

    private static void Apply(string change, TensorSet state)
    {
        switch (change)
        {
            case "other rule":
                state.Metadata["rule"] = "adam";
                break;
            case "no rule":
                state.Metadata.Remove("rule");
                break;
            case "other format":
                state.Metadata["format"] = "optim-checkpoint-99";
                break;
            case "no helpers":
                state.Metadata.Remove("helpers");
                break;
            case "helpers no object":
                state.Metadata["helpers"] = "[]";
                break;
            case "other helper setting":
                state.Metadata["helpers"] = "{\"clip_norm\":2}";
                break;
            case "unknown helper":
                state.Metadata["helpers"] = "{\"clip_ears\":1}";
                break;
            case "memory order":
                Replace(state, "parameters", "\"dtype\":\"F32\"", "\"dtype\":\"F32\",\"order\":[1,0]");
                break;
            case "parameter type":
                Replace(state, "parameters", "\"dtype\":\"F32\"", "\"dtype\":\"F16\"");
                break;
            case "stepped missing":
                Replace(state, "parameters", "\"stepped\":true", "\"stepped\":3");
                break;
            case "missing":
                state.Remove("state.1.exp_avg");
                break;
            case "extra":
                state.Add<float>("state.1.surprise", [1f], 1);
                break;
            case "shape":
                state.Remove("state.1.exp_avg");
                state.Add("state.1.exp_avg", new float[6], 6, 1);
                break;
            case "dtype":
                state.Remove("state.1.exp_avg");
                state.Add("state.1.exp_avg", new double[6], 6);
                break;
            case "parameters":
                Replace(state, "parameters", "\"name\":\"0\"", "\"name\":\"layer0\"");
                break;
            case "fewer parameters":
                state.Metadata["parameters"] = "[]";
                break;
            case "groups not JSON":
                state.Metadata["groups"] = "[{";
                break;
            case "a name twice":
                Replace(state, "groups", "\"beta1\":0.9", "\"beta1\":0.9,\"beta1\":0.9");
                break;
            case "broken text":
                Replace(state, "groups", "\"beta1\":0.9", "\"beta1\":\"\\ud800\"");
                break;
            case "groups no array":
                state.Metadata["groups"] = "3";
                break;
            case "two groups":
                state.Metadata["groups"] = "[{},{}]";
                break;
            case "negative step":
                Replace(state, "parameters", "\"step\":2", "\"step\":-3");
                break;
            case "fractional step":
                Replace(state, "parameters", "\"step\":2", "\"step\":1.5");
                break;
            case "step is text":
                Replace(state, "parameters", "\"step\":2", "\"step\":\"many\"");
                break;
            case "step is NaN":
                Replace(state, "parameters", "\"step\":2", "\"step\":\"nan\"");
                break;
            case "hyper out of range":
                Replace(state, "groups", "\"beta1\":0.9", "\"beta1\":7");
                break;
            case "hyper is no number":
                Replace(state, "groups", "\"beta1\":0.9", "\"beta1\":[]");
                break;
            case "hyper is another word":
                Replace(state, "groups", "\"beta1\":0.9", "\"beta1\":\"NaN\"");
                break;
            case "hyper missing":
                Replace(state, "groups", "\"beta1\":0.9,", "");
                break;
            case "hyper unknown":
                Replace(state, "groups", "\"beta1\":0.9", "\"beta1\":0.9,\"gamma1\":1");
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(change), change, "No such change.");
        }
    }

    private static void Replace(TensorSet state, string key, string before, string after)
    {
        Assert.Contains(before, state.Metadata[key], StringComparison.Ordinal);
        state.Metadata[key] = state.Metadata[key].Replace(before, after, StringComparison.Ordinal);
    }

    private sealed class FailingSource(ITensorSource source) : ITensorSource
    {
        private int _reads;

        public IReadOnlyDictionary<string, string> Metadata => source.Metadata;

        public IReadOnlyDictionary<string, TensorInfo> Tensors => source.Tensors;

        public void Read(string name, long offset, Span<byte> destination)
        {
            if (_reads++ == 3)
            {
                throw new IOException("The disk is gone.");
            }

            source.Read(name, offset, destination);
        }
    }
}
