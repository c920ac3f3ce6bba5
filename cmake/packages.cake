// The packages in a folder of their own: NuGet's of all projects that can be packed, and the Python wheel.
using IO = System.IO;

void Pack(string folder)
{
    if (IO.Directory.Exists(folder))
    {
        IO.Directory.Delete(folder, recursive: true);
    }

    Dotnet("pack", Solution, "--configuration", "Release", "--no-build", "--output", folder, "--verbosity", "quiet");
    Wheel(folder);
}

// setuptools builds in the folder of the sources and keeps what it finds there, so it is given a fresh copy.
void Wheel(string folder)
{
    const string source = "build/wheel";
    if (IO.Directory.Exists(source))
    {
        IO.Directory.Delete(source, recursive: true);
    }

    IO.Directory.CreateDirectory($"{source}/optim");
    CopyFiles("bindings/python/*.*", source);
    CopyFiles("bindings/python/optim/*.py", $"{source}/optim");
    CopyFileToDirectory("LICENSE", source);
    Execute(
        Python,
        List("-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check", "--quiet",
            "--wheel-dir", folder, $"./{source}"),
        new()
        {
            ["OPTIM_LIBRARY"] = Absolute(Library),
            ["SOURCE_DATE_EPOCH"] = "315532800", // 1980, when the time of zip files begins: equal files make an equal wheel
        });
}
