// The NuGet packages of all projects that can be packed, in a folder of their own.
using IO = System.IO;

void Pack(string folder)
{
    if (IO.Directory.Exists(folder))
    {
        IO.Directory.Delete(folder, recursive: true);
    }

    Dotnet("pack", Solution, "--configuration", "Release", "--no-build", "--output", folder, "--verbosity", "quiet");
}
