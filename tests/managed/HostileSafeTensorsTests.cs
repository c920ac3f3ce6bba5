using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>Files made to break readers are refused with an error that names the file and what is wrong.</summary>
public sealed class HostileSafeTensorsTests
{
    private const string Good = """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""";

    public static TheoryData<string, string, int> Headers() =>
        new()
        {
            { "not JSON", "hello", 0 },
            { "not JSON", "{", 0 },
            { "not JSON", "\0\0\0\0", 0 },
            { "not JSON", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} trailing""", 8 },
            { "not JSON", new string('[', 10_000), 0 },
            { "not JSON", """{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8 },
            { "not JSON", """{"__metadata__":{"k":"\udc00"}}""", 0 },
            { "not an object", "[]", 0 },
            { "not an object", "3", 0 },
            { "no dtype", """{"a":{}}""", 0 },
            { "no dtype", """{"a":3}""", 0 },
            { "no shape", """{"a":{"dtype":"F32"}}""", 0 },
            { "no data_offsets", """{"a":{"dtype":"F32","shape":[]}}""", 0 },
            { "dtype of tensor \"a\" is a JSON Number", """{"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}}""", 8 },
            { "\"F33\"", """{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}""", 8 },
            { "negative size -2", """{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8 },
            { "1.5, not a whole number", """{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}}""", 8 },
            { "1e99, not a whole number", """{"a":{"dtype":"F32","shape":[1e99],"data_offsets":[0,8]}}""", 8 },
            { "\"2\", not a whole number", """{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}""", 8 },
            { "exceeds 2^63", """{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0 },
            {
                "exceeds 2^63",
                """{"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807,9223372036854775807],"data_offsets":[0,8]}}""",
                8
            },
            { "needs 400000000000 bytes", """{"a":{"dtype":"F32","shape":[100000000000],"data_offsets":[0,8]}}""", 8 },
            { "needs 8 bytes", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,7]}}""", 7 },
            { "data_offsets [0, 16]", """{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", 8 },
            { "data_offsets [8, 0]", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8 },
            { "data_offsets [-8, 0]", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}""", 8 },
            { "data_offsets [0]", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}""", 8 },
            { "data_offsets [0, 4, 8]", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}}""", 8 },
            {
                "data_offsets [9223372036854775807, 9223372036854775807]",
                """{"a":{"dtype":"F32","shape":[0],"data_offsets":[9223372036854775807,9223372036854775807]}}""",
                8
            },
            {
                "\"b\" begins at byte 4",
                """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""",
                12
            },
            {
                "\"b\" begins at byte 0",
                """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""",
                8
            },
            {
                "\"b\" begins at byte 12",
                """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}""",
                16
            },
            { "\"a\" begins at byte 4", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8 },
            { "16 bytes of data", Good, 16 },
            {
                "appears twice",
                """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""",
                8
            },
            { "__metadata__ is a JSON Array", """{"__metadata__":[]}""", 0 },
            { "\"k\" of __metadata__ is a JSON Number", """{"__metadata__":{"k":3}}""", 0 },
            { "\"k\" appears twice", """{"__metadata__":{"k":"1","k":"2"}}""", 0 },
        };

    [Theory]
    [MemberData(nameof(Headers))]
    public void A_hostile_header_is_refused(string named, string header, int dataBytes) =>
        AssertRefused(SafeTensorsTests.FileBytes(header, dataBytes), named);

    [Theory]
    [InlineData(55ul, "beyond the end")]
    [InlineData(ulong.MaxValue, "beyond the end")]
    [InlineData((ulong)long.MaxValue, "beyond the end")]
    [InlineData(1ul << 63, "beyond the end")]
    [InlineData(0ul, "not JSON")]
    [InlineData(10ul, "not JSON")]
    public void A_wrong_header_length_is_refused(ulong length, string named) =>
        AssertRefused(SafeTensorsTests.FileBytes(Good[..^1] + "}", claimedLength: length), named);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    public void A_file_too_short_for_a_header_is_refused(int bytes) => AssertRefused(new byte[bytes], $"{bytes} bytes");

    [Fact]
    public void A_huge_header_is_refused_before_it_is_read()
    {
        using var scratch = new Scratch();
        var path = scratch.File("huge");
        using (var file = File.Create(path))
        {
            file.Write(BitConverter.GetBytes(1ul << 32));
            file.SetLength(1L << 33); // sparse
        }

        AssertRefused(path, "at most");
    }

    [Fact]
    public void Random_damage_never_does_worse_than_an_error()
    {
        using var scratch = new Scratch();
        var path = scratch.File("file");
        var original = SafeTensorsTests.FileBytes(Good, 8);
        var random = new Random(1);
        var refused = 0;
        for (var round = 0; round < 2000; round++)
        {
            var bytes = (byte[])original.Clone();
            for (var change = random.Next(1, 4); change > 0; change--)
            {
                bytes[random.Next(bytes.Length - 8)] = (byte)random.Next(256);
            }

            File.WriteAllBytes(path, bytes);
            try
            {
                SafeTensors.Load(path);
            }
            catch (FormatException)
            {
                refused++;
            }
        }

        Assert.True(refused > 1000);
    }

    private static void AssertRefused(byte[] bytes, string named)
    {
        using var scratch = new Scratch();
        var path = scratch.File("file");
        File.WriteAllBytes(path, bytes);
        AssertRefused(path, named);
    }

    private static void AssertRefused(string path, string named)
    {
        var message = Assert.Throws<FormatException>(() => SafeTensorsFile.Open(path)).Message;
        Assert.Contains(path, message, StringComparison.Ordinal);
        Assert.Contains(named, message, StringComparison.Ordinal);
        File.Delete(path); // fails on some systems if the file were still open
    }
}
