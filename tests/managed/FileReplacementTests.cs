using System.Diagnostics;
using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>Whatever a path is, saving to it replaces what it names, as a whole, and leaves nothing else behind.</summary>
public sealed class FileReplacementTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)] // .NET's own file locking switched off
    public async Task Programs_that_save_to_one_path_all_succeed(bool withoutLocks)
    {
        const int Programs = 3;
        using var scratch = new Scratch();
        var path = scratch.File("run.safetensors");
        var programs = Enumerable.Range(0, Programs).Select(i => Start(path, withoutLocks || i == 0)).ToArray();
        foreach (var program in programs)
        {
            var errors = await program.StandardError.ReadToEndAsync();
            await program.WaitForExitAsync();
            Assert.Equal("", errors);
            Assert.Equal(0, program.ExitCode);
            program.Dispose();
        }

        Assert.Single(SafeTensors.Load(path).Tensors);
        Assert.Equal([path], Directory.EnumerateFileSystemEntries(scratch.Folder));

        static Process Start(string path, bool withoutLocks)
        {
            var start = Child.Command("save", path);
            start.RedirectStandardError = true;
            start.Environment["DOTNET_SYSTEM_IO_DISABLEFILELOCKING"] = withoutLocks ? "1" : "0";
            return Process.Start(start)!;
        }
    }

    /// <summary>The program of the test above: saves again and again.</summary>
    internal static int SaveOften(string path)
    {
        const int Saves = 400;
        var tensors = new TensorSet();
        tensors.Add("t", [1f, 2f], 2);
        for (var i = 0; i < Saves; i++)
        {
            SafeTensors.Save(path, tensors);
        }

        return 0;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Of_a_symbolic_link_the_target_is_replaced(bool exists)
    {
        using var scratch = new Scratch();
        Directory.CreateDirectory(scratch.File("there"));
        var target = scratch.File("there/target");
        if (exists)
        {
            File.WriteAllText(target, "before");
        }

        File.CreateSymbolicLink(scratch.File("there/middle"), "target");
        File.CreateSymbolicLink(scratch.File("link"), "there/middle");
        SafeTensors.Save(scratch.File("link"), new TensorSet());
        Assert.Equal("there/middle", new FileInfo(scratch.File("link")).LinkTarget);
        Assert.Null(new FileInfo(target).LinkTarget);
        Assert.Empty(SafeTensors.Load(target).Tensors);
        Assert.Equal(2, Directory.EnumerateFileSystemEntries(scratch.File("there")).Count());
    }

    [Theory]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite)]
    [InlineData(UnixFileMode.UserRead)]
    [InlineData((UnixFileMode)0x1b6)] // 0666, which masks take bits of
    public void Permissions_are_kept(UnixFileMode mode)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        using var scratch = new Scratch();
        File.WriteAllText(scratch.File("file"), "before");
        File.SetUnixFileMode(scratch.File("file"), mode);
        SafeTensors.Save(scratch.File("file"), new TensorSet());
        Assert.Equal(mode, File.GetUnixFileMode(scratch.File("file")));
        Assert.Empty(SafeTensors.Load(scratch.File("file")).Tensors);
    }

    [Fact]
    public void Any_name_that_the_file_system_takes_will_do()
    {
        using var scratch = new Scratch();
        string[] names = [new('n', 255), new('é', 127), "*", "?", "a*b", "-", " ", "new\nline", ".hidden", "back\\slash", ".optim-.tmp"];
        foreach (var name in names)
        {
            SafeTensors.Save(scratch.File(name), new TensorSet());
            SafeTensors.Save(scratch.File(name), new TensorSet());
            Assert.Empty(SafeTensors.Load(scratch.File(name)).Tensors);
        }

        Assert.Equal(names.Order(), Directory.EnumerateFiles(scratch.Folder).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void Messages_name_the_path_that_was_asked_for()
    {
        using var scratch = new Scratch();
        Directory.CreateDirectory(scratch.File("folder"));
        File.WriteAllText(scratch.File("file"), "");
        File.CreateSymbolicLink(scratch.File("loop"), "loop");
        string[] paths = ["missing/file", "folder", "folder/", "file/below", "loop", new('n', 256)];
        foreach (var path in paths.Select(scratch.File))
        {
            var message = Assert.ThrowsAny<IOException>(() => SafeTensors.Save(path, new TensorSet())).Message;
            Assert.Contains(path, message, StringComparison.Ordinal);
            Assert.DoesNotContain(".tmp", message, StringComparison.Ordinal);
        }

        Assert.Equal(3, Directory.EnumerateFileSystemEntries(scratch.Folder).Count());
    }

    [Fact]
    public void A_source_that_fails_leaves_the_file_of_before()
    {
        using var scratch = new Scratch();
        File.WriteAllText(scratch.File("file"), "before");
        var failure = new IOException("as a test wants it");
        Assert.Same(failure, Assert.Throws<IOException>(() => SafeTensors.Save(scratch.File("file"), new Failing(failure))));
        Assert.Equal("before", File.ReadAllText(scratch.File("file")));
        Assert.Equal([scratch.File("file")], Directory.EnumerateFileSystemEntries(scratch.Folder));
    }

    private sealed class Failing(Exception failure) : ITensorSource
    {
        public IReadOnlyDictionary<string, string> Metadata => new Dictionary<string, string>();

        public IReadOnlyDictionary<string, TensorInfo> Tensors { get; } =
            new Dictionary<string, TensorInfo> { ["t"] = new("t", SafeTensorType.U8, [4]) };

        public void Read(string name, long offset, Span<byte> destination) => throw failure;
    }
}
