namespace Optim.Generator;

/// <summary>Where things are in the checkout.</summary>
internal static class Repository
{
    public const string Header = "native/include/optim/optim.h";

    /// <summary>The root of the checkout, found upward from the working folder, then from the program.</summary>
    public static string Find() =>
        Upward(Environment.CurrentDirectory)
        ?? Upward(AppContext.BaseDirectory)
        ?? throw new GeneratorException($"No folder upward from {Environment.CurrentDirectory} has {Header}.");

    public static string DefaultLibrary(string root)
    {
        var given = Environment.GetEnvironmentVariable("OPTIM_LIBRARY");
        var name =
            OperatingSystem.IsWindows() ? "optim.dll"
            : OperatingSystem.IsMacOS() ? "liboptim.dylib"
            : "liboptim.so";
        return string.IsNullOrEmpty(given) ? Path.Combine(root, "artifacts", "lib", name) : given;
    }

    private static string? Upward(string start)
    {
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, Header)))
            {
                return folder.FullName;
            }
        }

        return null;
    }
}
