using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Optim.Interop;

namespace Optim;

/// <summary>Where the native library is loaded from.</summary>
/// <remarks>In this order: <see cref="Path"/>, the environment variable OPTIM_LIBRARY, beside the assembly, in
/// runtimes/&lt;rid&gt;/native beside it, in artifacts/lib of the checkout the assembly was built in, where the system
/// looks (ldconfig, LD_LIBRARY_PATH, what a single-file program has unpacked). It is loaded once.</remarks>
public static class OptimLibrary
{
    /// <summary>The name by which the interop imports it.</summary>
    internal const string Name = "optim";

    private const string Variable = "OPTIM_LIBRARY";

    private static readonly object s_lock = new();
    private static string? s_path;
    private static nint s_library;

    /// <summary>Path of the library; set it before the first use of anything else. "optim" where the system has found
    /// it.</summary>
    public static string? Path
    {
        get => s_path;
        set
        {
            if (s_library != 0 && value != s_path)
            {
                throw new InvalidOperationException($"The native library is already loaded (from {s_path}).");
            }

            s_path = value;
        }
    }

    /// <summary>The identifier that packages use; that of the runtime may name the distribution it was built on.</summary>
    private static string PortableIdentifier =>
        (
            OperatingSystem.IsWindows() ? "win-"
            : OperatingSystem.IsMacOS() ? "osx-"
            : "linux-"
        ) + RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();

    private static string FileName =>
        OperatingSystem.IsWindows() ? "optim.dll"
        : OperatingSystem.IsMacOS() ? "liboptim.dylib"
        : "liboptim.so";

#pragma warning disable CA2255 // the resolver must be in place before the first native call, wherever it comes from
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Register() => NativeLibrary.SetDllImportResolver(typeof(OptimLibrary).Assembly, Resolve);

    /// <summary>Called for the first use of each function.</summary>
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != Name)
        {
            return 0;
        }

        lock (s_lock)
        {
            return s_library != 0 ? s_library : s_library = Load(assembly, searchPath);
        }
    }

    private static nint Load(Assembly assembly, DllImportSearchPath? searchPath)
    {
        var given = s_path ?? Environment.GetEnvironmentVariable(Variable);
        string[] candidates = string.IsNullOrEmpty(given) ? [.. Candidates()] : [given];
        var path = Array.Find(candidates, File.Exists);
        nint library;
        if (path is not null)
        {
            path = System.IO.Path.GetFullPath(path);
            library = NativeLibrary.Load(path);
        }
        else if (!string.IsNullOrEmpty(given) || !NativeLibrary.TryLoad(Name, assembly, searchPath, out library))
        {
            throw new DllNotFoundException(
                $"The native library {FileName} was not found. Looked for {string.Join(", ", candidates)}. "
                    + $"Add the package Optim.Native.linux-x64, or set {Variable} or {nameof(OptimLibrary)}.{nameof(Path)} to its path."
            );
        }

        path ??= Name;
        CheckVersion(library, path);
        s_path = path;
        return library;
    }

    /// <summary>Refuses a library whose structs and functions may not be those this assembly was generated
    /// for.</summary>
    private static unsafe void CheckVersion(nint library, string path)
    {
        if (!NativeLibrary.TryGetExport(library, "optim_version", out var function))
        {
            throw new OptimException(OptimStatus.Unsupported, $"{path} is no Optim library: it has no optim_version.");
        }

        var version = NativeText.Read(((delegate* unmanaged<byte*>)function)());
        var expected = $"{Native.VERSION_MAJOR}.{Native.VERSION_MINOR}";
        if (!version.StartsWith(expected + ".", StringComparison.Ordinal))
        {
            throw new OptimException(
                OptimStatus.Unsupported,
                $"{path} is version {version}; this assembly was generated for {expected}."
            );
        }
    }

    private static IEnumerable<string> Candidates()
    {
        var folder = AppContext.BaseDirectory;
        yield return System.IO.Path.Combine(folder, FileName);
        foreach (var identifier in new[] { RuntimeInformation.RuntimeIdentifier, PortableIdentifier }.Distinct())
        {
            yield return System.IO.Path.Combine(folder, "runtimes", identifier, "native", FileName);
        }

        for (var up = new DirectoryInfo(folder); up is not null; up = up.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(up.FullName, "native", "include", "optim", "optim.h")))
            {
                yield return System.IO.Path.Combine(up.FullName, "artifacts", "lib", FileName);
            }
        }
    }
}
