// Packages of everything that can be packed: NuGet packages of the .NET projects, a wheel of the Python module.
using IO = System.IO;

void Pack(string folder)
{
    if (IO.Directory.Exists(folder))
    {
        IO.Directory.Delete(folder, recursive: true);
    }

    Dotnet("pack", Solution, "--configuration", "Release", "--no-build", "--output", folder, "--verbosity", "quiet");
    if (IO.File.Exists("bindings/python/pyproject.toml"))
    {
        Execute("python3", List("-m", "pip", "wheel", "bindings/python", "--no-deps", "--no-build-isolation", "--quiet",
            "--wheel-dir", folder), new() { ["SOURCE_DATE_EPOCH"] = "946684800" });
    }
}
