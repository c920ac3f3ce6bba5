using System.Diagnostics;

namespace Optim.Tests.Support;

/// <summary>The tests as a program of their own: for what ends a process, or what several processes do at once.</summary>
internal static class Child
{
    public static int Main(string[] arguments) =>
        arguments switch
        {
            ["train", var path] => SaveLoop.Run(path),
            ["save", var path] => FileReplacementTests.SaveOften(path),
            ["library"] => LibraryTests.UseLibrary(),
            ["guarded", var scenario] => GuardedMemoryTests.Run(scenario),
            _ => throw new ArgumentException($"\"{string.Join(' ', arguments)}\" is none of the programs."),
        };

    /// <summary>How to start one of the programs.</summary>
    public static ProcessStartInfo Command(params string[] arguments) =>
        new(Environment.ProcessPath!, [typeof(Child).Assembly.Location, .. arguments]);
}
