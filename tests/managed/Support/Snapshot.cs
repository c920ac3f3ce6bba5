using System.Runtime.CompilerServices;

namespace Optim.Tests.Support;

/// <summary>Compares text with NAME.verified.txt beside the test; a difference is left in NAME.received.txt for review.
/// The file names are those of Verify, which can take its place.</summary>
internal static class Snapshot
{
    public static void Verify(string received, string name, [CallerFilePath] string source = "")
    {
        var folder = Path.GetDirectoryName(source)!;
        var verifiedPath = Path.Combine(folder, $"{name}.verified.txt");
        var receivedPath = Path.Combine(folder, $"{name}.received.txt");
        var verified = File.Exists(verifiedPath) ? File.ReadAllText(verifiedPath).ReplaceLineEndings("\n") : null;
        received = received.ReplaceLineEndings("\n");
        if (received == verified)
        {
            File.Delete(receivedPath);
            return;
        }

        File.WriteAllText(receivedPath, received);
        Assert.Fail(
            $"{name} differs from {verifiedPath}. Review {receivedPath} and rename it if it is right. "
                + $"First difference: {FirstDifference(verified ?? "", received)}"
        );
    }

    private static string FirstDifference(string verified, string received)
    {
        var pairs = Pad(verified).Zip(Pad(received)).Select((pair, line) => (pair.First, pair.Second, line));
        var (before, now, at) = pairs.First(pair => pair.First != pair.Second);
        return $"line {at + 1} was \"{before}\", is \"{now}\".";
    }

    private static IEnumerable<string> Pad(string text) => text.Split('\n').Concat(Enumerable.Repeat("", 10_000));
}
