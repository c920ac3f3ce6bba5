using System.Diagnostics;
using System.Reflection;
using System.Runtime.Loader;
using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>What is said about a native library that is missing or wrong. Each test loads the assembly anew, since a
/// process that has loaded the library keeps it.</summary>
public sealed class LibraryTests
{
    [Fact]
    public void A_missing_library_is_named()
    {
        var exception = Assert.IsType<DllNotFoundException>(Load("/no/such/liboptim.so"));
        Assert.Contains("/no/such/liboptim.so", exception.Message, StringComparison.Ordinal);
        Assert.Contains("OPTIM_LIBRARY", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_library_is_named()
    {
        using var scratch = new Scratch();
        File.WriteAllText(scratch.File("text.so"), "no library");
        Assert.Contains(scratch.File("text.so"), Load(scratch.File("text.so"))!.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("int other;", "no Optim library")]
    [InlineData("const char* optim_version(void) { return \"0.99.0\"; }", "version 0.99.0")]
    public void Another_library_is_refused(string source, string named)
    {
        using var scratch = new Scratch();
        var library = scratch.File("liboptim.so");
        File.WriteAllText(scratch.File("other.c"), source);
        using var compiler = Process.Start("cc", ["-shared", "-fPIC", "-o", library, scratch.File("other.c")]);
        compiler.WaitForExit();
        var message = Load(library)!.Message;
        Assert.Contains(library, message, StringComparison.Ordinal);
        Assert.Contains(named, message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_right_library_is_loaded_and_kept()
    {
        Assert.NotEmpty(Catalogue.LibraryVersion);
        Assert.Null(Load(OptimLibrary.Path!));
        Assert.Throws<InvalidOperationException>(() => OptimLibrary.Path = "other.so");
    }

    /// <summary>Where the system looks there is one file for all functions, each of which is looked up on its own.</summary>
    [Fact]
    public void A_library_that_the_system_finds_serves_every_call()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var scratch = new Scratch();
        var here = AppContext.BaseDirectory;
        foreach (var name in new[] { "Optim.Tests.dll", "Optim.dll", "Optim.Tests.runtimeconfig.json" })
        {
            File.Copy(Path.Combine(here, name), scratch.File(name));
        }

        _ = Catalogue.LibraryVersion; // loads it
        var start = new ProcessStartInfo(Environment.ProcessPath!, [scratch.File("Optim.Tests.dll"), "library"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove("OPTIM_LIBRARY");
        start.Environment["LD_LIBRARY_PATH"] = Path.GetDirectoryName(OptimLibrary.Path!);
        using var program = Process.Start(start)!;
        var output = program.StandardOutput.ReadToEnd();
        Assert.Equal("", program.StandardError.ReadToEnd());
        program.WaitForExit();
        Assert.Equal($"{Catalogue.LibraryVersion} of optim", output);
    }

    /// <summary>The program of the test above.</summary>
    internal static int UseLibrary()
    {
        using var engine = new Engine();
        using var tensor = Tensor.Allocate(engine, DType.Float32, 2);
        HelperFunctions.Centralize(engine, [tensor]);
        Console.Write($"{Catalogue.LibraryVersion} of {OptimLibrary.Path}");
        return 0;
    }

    /// <summary>The error of the first native call of a fresh copy of the assembly; null when it succeeds.</summary>
    private static Exception? Load(string library)
    {
        var context = new AssemblyLoadContext(nameof(LibraryTests), isCollectible: true);
        try
        {
            var assembly = context.LoadFromAssemblyPath(typeof(Optimizer).Assembly.Location);
            assembly
                .GetType(typeof(OptimLibrary).FullName!)!
                .GetProperty(nameof(OptimLibrary.Path))!
                .SetValue(null, library);
            return
                Record.Exception(() =>
                    assembly
                        .GetType(typeof(Catalogue).FullName!)!
                        .GetProperty(nameof(Catalogue.LibraryVersion))!
                        .GetValue(null)
                )
                    is TargetInvocationException wrapped
                ? wrapped.InnerException
                : null;
        }
        finally
        {
            context.Unload();
        }
    }
}
