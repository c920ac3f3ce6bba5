using System.Reflection;

namespace Optim.Tests.Support;

/// <summary>Where things are in the checkout the tests were built from.</summary>
internal static class Checkout
{
    public static string Root { get; } = Find();

    public static string Golden(string name) => Path.Combine(Root, "tests", "golden", name + ".safetensors");

    public static string Configuration { get; } =
        typeof(Checkout)
            .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(attribute => attribute.Key == nameof(Configuration))
            .Value!;

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "native", "include", "optim", "optim.h")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException($"No checkout of Optim upward from {AppContext.BaseDirectory}.");
    }
}
