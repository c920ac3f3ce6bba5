using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>Every C# program in the documentation compiles and runs. Those with TorchSharp are in Optim.TorchSharp.Tests.</summary>
[Collection(nameof(WorkingDirectory))]
public sealed class SnippetTests
{
    public static TheoryData<string> Places() =>
        [.. Snippet.All.Where(program => !program.Value.Contains("TorchSharp", StringComparison.Ordinal)).Select(program => program.Key)];

    [Theory]
    [MemberData(nameof(Places))]
    public void It_runs(string place) => Snippet.Run(place);

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/checkpoints.md")]
    [InlineData("docs/getting-started/csharp.md")]
    [InlineData("managed/Optim/README.md")]
    public void It_is_found(string page) => Assert.Contains(Snippet.All.Keys, place => place.StartsWith($"{page}:", StringComparison.Ordinal));

    /// <summary>Programs write files where they run, which is the same for all of a process: no test runs beside them.</summary>
    [CollectionDefinition(nameof(WorkingDirectory), DisableParallelization = true)]
    public sealed class WorkingDirectory;
}
