using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Optim;

/// <summary>Replaces files as a whole: the new content is complete on disk before it takes the old one's name. Devices
/// and pipes, such as /dev/null, are written where they are.</summary>
internal static partial class AtomicFile
{
    // Nothing of the target's name is in the temporary's: it may be as long as the file system allows.
    private const string Prefix = ".optim-";
    private const string Suffix = ".tmp";

    /// <summary>Writes a file.</summary>
    /// <param name="path">Its path; of a symbolic link the target is replaced.</param>
    /// <param name="write">Writes the content.</param>
    /// <exception cref="IOException">The file cannot be written; one that was there is as it was.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        if (IsDeviceOrPipe(path))
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            write(stream);
            return;
        }

        var target = Target(path);
        var folder = Path.GetDirectoryName(target);
        if (folder is null || Path.GetFileName(target).Length == 0 || Directory.Exists(target))
        {
            throw new IOException($"\"{path}\" is a folder, not a file.");
        }

        var temporary = "";
        try
        {
            using (var stream = Create(folder, target, out temporary))
            {
                DeleteAbandoned(folder, temporary);
                write(stream);
                stream.Flush(flushToDisk: true);
                File.Move(temporary, target, overwrite: true); // while it is locked: who deletes abandoned files leaves it alone
            }
        }
        catch (Exception exception)
        {
            if (File.Exists(temporary))
            {
                File.Delete(temporary);
            }

            if (Named(exception, temporary, path) is { } named)
            {
                throw named;
            }

            throw;
        }

        FlushFolder(folder);
    }

    private static string Target(string path)
    {
        var full = Path.GetFullPath(path);
        return new FileInfo(full).LinkTarget is null ? full : File.ResolveLinkTarget(full, returnFinalTarget: true)!.FullName;
    }

    /// <summary>A new file beside the target, locked, with the permissions of the target if it is there.</summary>
    private static FileStream Create(string folder, string target, out string temporary)
    {
        while (true)
        {
            temporary = Path.Combine(folder, $"{Prefix}{Guid.NewGuid():N}{Suffix}");
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.Delete };
            UnixFileMode? mode = null;
            if (!OperatingSystem.IsWindows() && File.Exists(target))
            {
                options.UnixCreateMode = mode = File.GetUnixFileMode(target);
            }

            FileStream stream;
            try
            {
                stream = new FileStream(temporary, options);
            }
            catch (IOException exception) when (exception.HResult is LockedOnLinux or LockedOnMac)
            {
                continue; // somebody who looks for abandoned files locked it first; he deletes it, if he has not yet
            }

            try
            {
                if (!OperatingSystem.IsWindows())
                {
                    _ = Lock(stream.SafeFileHandle, LockExclusive); // where there are no locks nothing counts as abandoned
                    if (mode is { } kept && File.Exists(temporary))
                    {
                        File.SetUnixFileMode(stream.SafeFileHandle, kept); // what the process masks out of new files, too
                    }
                }

                if (File.Exists(temporary))
                {
                    return stream;
                }
            }
            catch
            {
                stream.Dispose();
                throw;
            }

            stream.Dispose(); // it was deleted before it was locked
        }
    }

    /// <summary>The exception with the path that was asked for in place of the temporary's; null = it does not name
    /// that.</summary>
    private static Exception? Named(Exception exception, string temporary, string path)
    {
        if (temporary.Length == 0 || !exception.Message.Contains(temporary, StringComparison.Ordinal))
        {
            return null;
        }

        var message = exception.Message.Replace(temporary, path, StringComparison.Ordinal);
        return exception switch
        {
            UnauthorizedAccessException => new UnauthorizedAccessException(message, exception),
            DirectoryNotFoundException => new DirectoryNotFoundException(message, exception),
            IOException => new IOException(message, exception) { HResult = exception.HResult },
            _ => null,
        };
    }

    private static bool IsDeviceOrPipe(string path)
    {
        const int Kind = 0xF000, Regular = 0x8000, Folder = 0x4000;
        const uint TypeAndMode = 3;
        return OperatingSystem.IsLinux()
            && Status(0, path, 0, TypeAndMode, out var status) == 0
            && (status.Mode & Kind) is not (Regular or Folder);
    }

    /// <summary>Deletes what writers left behind that were killed: a live one has its file locked. .NET's own locks can be
    /// switched off, ours cannot.</summary>
    private static void DeleteAbandoned(string folder, string own)
    {
        try
        {
            foreach (var path in Directory.EnumerateFiles(folder, $"{Prefix}*{Suffix}"))
            {
                if (path != own && Guid.TryParseExact(Path.GetFileName(path)[Prefix.Length..^Suffix.Length], "N", out _))
                {
                    DeleteUnlessLocked(path);
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The folder cannot be listed.
        }
    }

    private static void DeleteUnlessLocked(string path)
    {
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Delete);
            if (OperatingSystem.IsWindows() || Lock(file, LockExclusive | LockAtOnce) == 0)
            {
                File.Delete(path);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Somebody writes it, or it is not ours to delete.
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

    // EWOULDBLOCK, by which .NET says that another has the lock. On Windows a new file is locked from its creation.
    private const int LockedOnLinux = 11;
    private const int LockedOnMac = 35;

    private const int LockExclusive = 2;
    private const int LockAtOnce = 4;

    [LibraryImport("libc", EntryPoint = "flock")]
    private static partial int Lock(SafeFileHandle file, int operation);

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
