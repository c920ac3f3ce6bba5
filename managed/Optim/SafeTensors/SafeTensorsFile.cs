using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Optim;

/// <summary>An open safetensors file, whose header was checked against the file; data is read on demand.</summary>
public sealed class SafeTensorsFile : ITensorSource, IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly SafeTensorsHeader _header;
    private readonly long _dataStart;

    private SafeTensorsFile(string path, SafeFileHandle file)
    {
        Path = path;
        _file = file;
        var length = RandomAccess.GetLength(file);
        Span<byte> prefix = stackalloc byte[sizeof(ulong)];
        if (length < prefix.Length)
        {
            throw new FormatException($"it has {length} bytes; the length of the header alone takes {prefix.Length}");
        }

        ReadFully(0, prefix);
        var headerLength = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (headerLength > (ulong)(length - prefix.Length))
        {
            throw new FormatException(
                $"its header claims {headerLength} bytes, beyond the end of the file ({length} bytes)"
            );
        }

        if (headerLength > SafeTensorsHeader.MaximumBytes)
        {
            throw new FormatException(
                $"its header claims {headerLength} bytes; at most {SafeTensorsHeader.MaximumBytes} are allowed"
            );
        }

        var json = new byte[headerLength];
        ReadFully(prefix.Length, json);
        _dataStart = prefix.Length + (long)headerLength;
        _header = SafeTensorsHeader.Parse(json, length - _dataStart);
    }

    /// <summary>Path of the file.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _header.Tensors;

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="FormatException">The file is no sound safetensors file.</exception>
    public static SafeTensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var handle = File.OpenHandle(path);
        try
        {
            return new SafeTensorsFile(path, handle);
        }
        catch (FormatException exception)
        {
            handle.Dispose();
            throw new FormatException($"{path} is no sound safetensors file: {exception.Message}.", exception);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Read(string name, long offset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!_header.Tensors.TryGetValue(name, out var info))
        {
            throw new KeyNotFoundException($"{Path} has no tensor \"{name}\".");
        }

        if (offset < 0 || offset > info.ByteLength - destination.Length)
        {
            throw new ArgumentOutOfRangeException(
                nameof(offset),
                offset,
                $"{destination.Length} bytes from there exceed the {info.ByteLength} of \"{name}\"."
            );
        }

        ReadFully(_dataStart + _header.Offsets[name] + offset, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void ReadFully(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            var read = RandomAccess.Read(_file, destination, offset);
            if (read == 0)
            {
                throw new EndOfStreamException($"{Path} ended at byte {offset} while it was read.");
            }

            destination = destination[read..];
            offset += read;
        }
    }
}
