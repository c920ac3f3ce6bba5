using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace Optim;

/// <summary>Writes the safetensors format: the length of the header, the header as JSON, the data without
/// gaps.</summary>
internal static class SafeTensorsWriter
{
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private const int Alignment = 8;
    private const int ChunkBytes = 1 << 20;

    /// <summary>Writes a file that can be read again.</summary>
    /// <exception cref="ArgumentException">It could not: a name is no text or is kept for the metadata, or the header would be
    /// longer than readers take.</exception>
    public static void Write(Stream stream, ITensorSource source)
    {
        // Widest elements first, so that every tensor is aligned to its element; then by name, so that equal content
        // gives equal files.
        TensorInfo[] tensors =
        [
            .. source
                .Tensors.Values.OrderByDescending(info => info.Type.Size())
                .ThenBy(info => info.Name, StringComparer.Ordinal),
        ];
        if (source.Tensors.ContainsKey(SafeTensorsHeader.MetadataKey))
        {
            throw new ArgumentException($"A tensor cannot be named \"{SafeTensorsHeader.MetadataKey}\"; the format keeps that name.");
        }

        var header = Header(tensors, source.Metadata);
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        stream.Write(length);
        stream.Write(header);

        var chunk = new byte[ChunkBytes];
        foreach (var info in tensors)
        {
            for (var offset = 0L; offset < info.ByteLength; offset += ChunkBytes)
            {
                var part = chunk.AsSpan(0, (int)Math.Min(ChunkBytes, info.ByteLength - offset));
                source.Read(info.Name, offset, part);
                stream.Write(part);
            }
        }
    }

    private static byte[] Header(TensorInfo[] tensors, IReadOnlyDictionary<string, string> metadata)
    {
        foreach (var text in tensors.Select(info => info.Name).Concat(metadata.Keys).Concat(metadata.Values))
        {
            CheckText(text);
        }

        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject(SafeTensorsHeader.MetadataKey);
                foreach (var (key, value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                {
                    json.WriteString(key, value);
                }

                json.WriteEndObject();
            }

            WriteTensors(json, tensors);
            json.WriteEndObject();
        }

        while (buffer.Length % Alignment != 0)
        {
            buffer.WriteByte((byte)' ');
        }

        return buffer.Length <= SafeTensorsHeader.MaximumBytes
            ? buffer.ToArray()
            : throw new ArgumentException(
                $"The header of the file would have {buffer.Length} bytes; at most {SafeTensorsHeader.MaximumBytes} are allowed. "
                    + "Use fewer tensors, or shorter names."
            );
    }

    /// <summary>Refuses halves of surrogate pairs, which would be written as another text.</summary>
    public static void CheckText(string text)
    {
        try
        {
            _ = s_strict.GetByteCount(text);
        }
        catch (EncoderFallbackException exception)
        {
            throw new ArgumentException(
                $"\"{text}\" is no valid Unicode: the character at {exception.Index} is half of a surrogate pair.",
                exception
            );
        }
    }

    private static void WriteTensors(Utf8JsonWriter json, TensorInfo[] tensors)
    {
        var begin = 0L;
        foreach (var info in tensors)
        {
            var end = checked(begin + info.ByteLength);
            json.WriteStartObject(info.Name);
            json.WriteString("dtype", info.Type.Code());
            json.WriteStartArray("shape");
            foreach (var size in info.Shape)
            {
                json.WriteNumberValue(size);
            }

            json.WriteEndArray();
            json.WriteStartArray("data_offsets");
            json.WriteNumberValue(begin);
            json.WriteNumberValue(end);
            json.WriteEndArray();
            json.WriteEndObject();
            begin = end;
        }
    }
}
