using Optim.Cli.Replay;

namespace Optim.Cli.Tests;

public sealed class ReplayTests
{
    private const double Rate = 0.01;

    // Any rule will do that steps by elements and has the usual learning rate.
    private static string Rule =>
        Catalogue
            .Rules.First(rule =>
                rule.Shape == RuleShape.Elementwise && rule.Needs.Count == 0 && rule.Hypers.Any(h => h.Name == "lr"))
            .Name;

    public static TheoryData<string, object, Helpers> Compositions =>
        new()
        {
            {
                "agc",
                new
                {
                    lr = Rate,
                    agc_clip_val = 0.02,
                    agc_eps = 0.002,
                    eps = 1e-5,
                },
                new Helpers
                {
                    AgcClipVal = 0.02,
                    AgcEpsilon = 0.002,
                    AgcDivisionEpsilon = 1e-5,
                }
            },
            {
                "gc",
                new { lr = Rate, gc_conv_only = false },
                new Helpers { Centralize = true }
            },
            {
                "gc",
                new { lr = Rate, gc_conv_only = true },
                new Helpers { Centralize = true, CentralizeConvOnly = true }
            },
            {
                "gradnorm",
                new
                {
                    lr = Rate,
                    use_channels = true,
                    epsilon = 1e-7,
                },
                new Helpers
                {
                    Normalize = true,
                    NormalizeChannels = true,
                    NormalizeEpsilon = 1e-7,
                }
            },
            {
                "normloss",
                new
                {
                    lr = Rate,
                    norm_loss_factor = 0.3,
                    eps = 1e-6,
                },
                new Helpers { NormLossFactor = 0.3, NormLossEpsilon = 1e-6 }
            },
        };

    [Theory]
    [MemberData(nameof(Compositions))]
    public void A_composition_steps_its_rule_with_its_helper(string helper, object hypers, Helpers helpers)
    {
        double[] replayed = Replay(new SyntheticCase($"{Rule}+{helper}", hypers)).GetDoubles("param.0.3");
        Assert.Equal(SyntheticCase.Expected(Rule, new Dictionary<string, double> { ["lr"] = Rate }, helpers), replayed);
    }

    [Fact]
    public void The_wrapper_steps_its_base_and_ignores_hyper_parameters_of_other_bases()
    {
        var hypers = new
        {
            @base = Rule,
            lr = Rate,
            no_such_hyper = 3,
            k = 2,
            alpha = 0.25,
            pullback_momentum = "none",
        };
        double[] replayed = Replay(new SyntheticCase("lookahead", hypers)).GetDoubles("param.0.3");
        Assert.Equal(
            SyntheticCase.Expected(
                Rule,
                new Dictionary<string, double> { ["lr"] = Rate },
                new Helpers { LookaheadK = 2, LookaheadAlpha = 0.25 }
            ),
            replayed);
    }

    [Fact]
    public void A_missing_gradient_is_absent()
    {
        TensorSet replayed = Replay(new SyntheticCase(Rule, new { lr = Rate }, withoutGradientAt: 2));
        Assert.NotEqual(SyntheticCase.Initial.Select(value => (double)value), replayed.GetDoubles("param.0.1"));
        Assert.Equal(replayed.GetDoubles("param.0.1"), replayed.GetDoubles("param.0.2"));
        Assert.NotEqual(replayed.GetDoubles("param.0.2"), replayed.GetDoubles("param.0.3"));
    }

    [Fact]
    public void Output_is_F64()
    {
        TensorSet replayed = Replay(new SyntheticCase(Rule, new { lr = Rate }));
        Assert.All(replayed.Tensors.Values, tensor => Assert.Equal(SafeTensorType.F64, tensor.Type));
    }

    [Fact]
    public void An_unknown_hyper_parameter_is_named()
    {
        using var scratch = new Scratch();
        string file = new SyntheticCase(Rule, new { lr = Rate, no_such_hyper = 1 }).Save(
            scratch.File("case.safetensors"));
        CommandLine.Run("replay", file, scratch.File("out.safetensors")).AssertError(1, "no_such_hyper");
    }

    [Fact]
    public void A_hyper_parameter_out_of_range_is_named()
    {
        using var scratch = new Scratch();
        string file = new SyntheticCase(Rule, new { lr = -1.0 }).Save(scratch.File("case.safetensors"));
        CommandLine.Run("replay", file, scratch.File("out.safetensors")).AssertError(1, "lr");
    }

    [Theory]
    [InlineData("no_such_rule", "no rule 'no_such_rule'")]
    [InlineData("RULE+no_such_helper", "no helper 'no_such_helper'")]
    public void What_is_not_there_is_an_error_alone(string item, string part)
    {
        using var scratch = new Scratch();
        string file = new SyntheticCase(item.Replace("RULE", Rule, StringComparison.Ordinal), new { lr = Rate }).Save(
            scratch.File("case.safetensors"));
        CommandLine.Run("replay", file, scratch.File("out.safetensors")).AssertError(1, part);
    }

    [Fact]
    public void A_folder_skips_what_is_not_there_and_says_so()
    {
        using var scratch = new Scratch();
        new SyntheticCase(Rule, new { lr = Rate }).Save(scratch.File("good.safetensors"));
        new SyntheticCase("no_such_rule", new { }).Save(scratch.File("strange.safetensors"));
        var run = CommandLine.Run("replay", scratch.Folder, scratch.File("out"));
        Assert.Equal(0, run.Code);
        Assert.Contains("1 replayed, 1 skipped, 0 failed", run.Output, StringComparison.Ordinal);
        Assert.Contains("no rule 'no_such_rule'", run.Output, StringComparison.Ordinal);
        Assert.Equal(["good.safetensors"], Directory.GetFiles(scratch.File("out")).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("steps", "x")]
    [InlineData("steps", "-1")]
    [InlineData("steps", "2000000000")]
    [InlineData("recorded", "[null]")]
    [InlineData("recorded", "{\"a\":")]
    [InlineData("hyperparameters", "[1]")]
    [InlineData("hyperparameters", "{\"lr\": \"\\ud800\"}")]
    [InlineData("optimizer", "no\u0000rule")]
    public void Unsound_metadata_is_named(string key, string value)
    {
        using var scratch = new Scratch();
        string file = new SyntheticCase(Rule, new { lr = Rate }, key, value).Save(scratch.File("case.safetensors"));
        CommandLine.Run("replay", file, scratch.File("out.safetensors")).AssertError(1, key == "optimizer" ? "no?rule" : key);
    }

    [Fact]
    public void A_word_that_is_none_of_the_allowed_is_named()
    {
        using var scratch = new Scratch();
        var hypers = new { @base = Rule, lr = Rate, k = 2, alpha = 0.5, pullback_momentum = "1" };
        string file = new SyntheticCase("lookahead", hypers).Save(scratch.File("case.safetensors"));
        CommandLine
            .Run("replay", file, scratch.File("out.safetensors"))
            .AssertError(1, "pullback_momentum = 1 is not one of none, reset, pullback");
    }

    [Fact]
    public void Paths_that_are_no_files_are_named()
    {
        using var scratch = new Scratch();
        string file = new SyntheticCase(Rule, new { lr = Rate }).Save(scratch.File("case.safetensors"));
        CommandLine.Run("replay", file, scratch.Folder).AssertError(1, $"'{scratch.Folder}' is a folder");
        CommandLine.Run("replay", file, "").AssertError(1, "empty");
        CommandLine.Run("replay", "", scratch.File("out")).AssertError(1, "empty");
    }

    [Fact]
    public void A_case_is_never_overwritten()
    {
        using var scratch = new Scratch();
        string file = new SyntheticCase(Rule, new { lr = Rate }).Save(scratch.File("case.safetensors"));
        byte[] before = File.ReadAllBytes(file);
        CommandLine.Run("replay", file, file).AssertError(1, "would be overwritten");
        CommandLine.Run("replay", scratch.Folder, scratch.Folder + "/").AssertError(1, "would be overwritten");
        Assert.Equal(before, File.ReadAllBytes(file));
    }

    [Fact]
    public void A_broken_file_fails_the_folder_but_not_the_other_cases()
    {
        using var scratch = new Scratch();
        File.WriteAllText(scratch.File("broken.safetensors"), "no header");
        new SyntheticCase(Rule, new { lr = Rate }).Save(scratch.File("good.safetensors"));
        var run = CommandLine.Run("replay", scratch.Folder, scratch.File("out"));
        Assert.Equal(1, run.Code);
        Assert.Contains("1 replayed, 0 skipped, 1 failed", run.Output, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(scratch.File("out"), "good.safetensors")));
    }

    private static TensorSet Replay(SyntheticCase synthetic)
    {
        using var scratch = new Scratch();
        var golden = GoldenCase.Load(synthetic.Save(scratch.File("case.safetensors")));
        Assert.Null(GoldenReplay.Obstacle(golden));
        using var engine = new Engine();
        return GoldenReplay.Replay(golden, engine, DType.Float32);
    }
}
