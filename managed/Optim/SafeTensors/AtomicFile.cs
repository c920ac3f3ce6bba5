using System.Runtime.InteropServices;

namespace Optim;

/// <summary>Replaces files as a whole: the new content is complete on disk before it takes the old one's name. Devices
/// and pipes, such as /dev/null, are written where they are.</summary>
internal static partial class AtomicFile
{
    private const string Suffix = ".tmp";

    public static void Write(string path, Action<Stream> write)
    {
        var target = Path.GetFullPath(path);
        var folder =
            Path.GetDirectoryName(target)
            ?? throw new ArgumentException($"\"{path}\" is a folder, not a file.", nameof(path));
        if (IsDeviceOrPipe(target))
        {
            using var stream = new FileStream(target, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            write(stream);
            return;
        }

        var prefix = $".{Path.GetFileName(target)}.";
        var temporary = Path.Combine(folder, $"{prefix}{Guid.NewGuid():N}{Suffix}");
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                DeleteAbandoned(folder, prefix);
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }

        FlushFolder(folder);
    }

    private static bool IsDeviceOrPipe(string path)
    {
        const int Kind = 0xF000, Regular = 0x8000, Folder = 0x4000;
        const uint TypeAndMode = 3;
        return OperatingSystem.IsLinux()
            && Status(0, path, 0, TypeAndMode, out var status) == 0
            && (status.Mode & Kind) is not (Regular or Folder);
    }

    /// <summary>Deletes what writers left behind that were killed: a live one has its file locked.</summary>
    private static void DeleteAbandoned(string folder, string prefix)
    {
        foreach (var path in Directory.EnumerateFiles(folder, $"{prefix}*{Suffix}"))
        {
            if (!Guid.TryParseExact(Path.GetFileName(path)[prefix.Length..^Suffix.Length], "N", out _))
            {
                continue;
            }

            try
            {
                using (new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.None)) { }

                File.Delete(path);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Somebody writes it, or it is not ours to delete.
            }
        }
    }

    /// <summary>The new name is on disk, too, only once the folder is: otherwise a power cut may bring the old file
    /// back.</summary>
    private static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return; // folders cannot be flushed there; the file system logs renames
        }

        var descriptor = Open(folder, 0);
        if (descriptor < 0)
        {
            throw Failed("open", folder);
        }

        try
        {
            // Some file systems refuse to flush folders, and keep the order of their own accord.
            const int InvalidArgument = 22;
            if (Flush(descriptor) != 0 && Marshal.GetLastPInvokeError() != InvalidArgument)
            {
                throw Failed("flush", folder);
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    private static IOException Failed(string what, string folder) =>
        new($"The new file is in place, but its folder {folder} could not be flushed to disk ({what}: {Marshal.GetLastPInvokeErrorMessage()}).");

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Status(int folder, string path, int flags, uint mask, out FileStatus status);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Flush(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    // struct statx of Linux, which is the same on every processor.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct FileStatus
    {
        [FieldOffset(28)]
        public ushort Mode;
    }
}
