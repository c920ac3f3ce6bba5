using Optim.Tests.Support;

namespace Optim.TorchSharp.Tests;

/// <summary>The public surface changes only on purpose.</summary>
public sealed class PublicApiTests
{
    [Fact]
    public void The_adapter_is_as_it_was() =>
        Snapshot.Verify(PublicApi.Describe(typeof(TorchParameters).Assembly.GetExportedTypes()), nameof(PublicApiTests));
}
