using Optim.Tests.Support;
using TorchSharp;

namespace Optim.TorchSharp.Tests;

/// <summary>Every C# program in the documentation that uses TorchSharp compiles and runs with Support/TorchSharpNames.cs in its
/// place.</summary>
public sealed class SnippetTests
{
    public static TheoryData<string> Places() =>
        [.. Snippet.All.Where(program => program.Value.Contains("TorchSharp", StringComparison.Ordinal)).Select(program => program.Key)];

    [Theory]
    [MemberData(nameof(Places))]
    public void It_runs_and_the_loss_falls(string place)
    {
        torch.Loss.Values.Clear();
        Snippet.Run(place);
        Assert.InRange(torch.Loss.Values[^1], 0, torch.Loss.Values[0] / 2);
    }

    [Theory]
    [InlineData("docs/getting-started/torchsharp.md")]
    [InlineData("managed/Optim.TorchSharp/README.md")]
    public void It_is_found(string page) => Assert.Contains(Snippet.All.Keys, place => place.StartsWith($"{page}:", StringComparison.Ordinal));
}
