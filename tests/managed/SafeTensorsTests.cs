using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Optim.Tests.Support;

namespace Optim.Tests;

public sealed class SafeTensorsTests
{
    [Fact]
    public void Every_type_and_shape_survives()
    {
        using var scratch = new Scratch();
        var set = new TensorSet { Metadata = { ["who"] = "Ünïcode \"quoted\"", [""] = "" } };
        set.Add("f32", [1.5f, float.NaN, float.NegativeInfinity], 3);
        set.Add("f64", [Math.PI, -0.0], 2, 1);
        set.Add("f16", [(Half)1.5, Half.Epsilon], 2);
        set.Add("bf16", SafeTensorType.BF16, [0x80, 0x3F], [1]);
        set.Add("i64", [long.MinValue, long.MaxValue], 2);
        set.Add("u64", [ulong.MaxValue]);
        set.Add("i32", [int.MinValue], 1);
        set.Add("u32", [uint.MaxValue], 1);
        set.Add("i16", [short.MinValue], 1);
        set.Add("u16", [ushort.MaxValue], 1);
        set.Add("i8", [sbyte.MinValue], 1);
        set.Add("u8", [byte.MaxValue], 1);
        set.Add("bool", [true, false], 2);
        set.Add("f8", SafeTensorType.F8E4M3, [1, 2], [2]);
        set.Add("none", Array.Empty<float>(), 3, 0, 5);
        SafeTensors.Save(scratch.File("all"), set);

        var copy = SafeTensors.Load(scratch.File("all"));
        StateTests.AssertSame(set, copy);
        Assert.All(set.Tensors.Values, info => Assert.Equal(info.ToString(), copy.Tensors[info.Name].ToString()));
        Assert.Equal([Math.PI, -0.0], copy.Get<double>("f64"));
        Assert.Equal([1.0], copy.GetDoubles("bf16"));
        Assert.Equal([1.5, double.NaN, double.NegativeInfinity], copy.GetDoubles("f32"));
        Assert.Equal([true, false], copy.Get<bool>("bool"));
    }

    [Fact]
    public void The_bytes_are_those_of_the_format()
    {
        using var scratch = new Scratch();
        var set = new TensorSet();
        set.Add("b", [1f, 2], 2);
        set.Add("a", [3.0], 1);
        SafeTensors.Save(scratch.File("file"), set);

        var bytes = File.ReadAllBytes(scratch.File("file"));
        var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        Assert.Equal(0, length % 8);
        Assert.Equal((byte)'{', bytes[8]);
        using var header = JsonDocument.Parse(bytes.AsMemory(8, length));
        Assert.Equal("[0,8]", header.RootElement.GetProperty("a").GetProperty("data_offsets").GetRawText());
        Assert.Equal(
            """{"dtype":"F32","shape":[2],"data_offsets":[8,16]}""",
            header.RootElement.GetProperty("b").GetRawText()
        );
        Assert.Equal(3.0, BitConverter.ToDouble(bytes, 8 + length));
        Assert.Equal(2f, BitConverter.ToSingle(bytes, 8 + length + 12));
        Assert.Equal(8 + length + 16, bytes.Length);
    }

    [Fact]
    public void Files_of_other_writers_are_read()
    {
        var set = SafeTensors.Load(Checkout.Golden("schedule.linear_warmup"));
        Assert.Equal("optim-golden-1", set.Metadata["format"]);
        Assert.Equal(40, set.Get<double>("out.lr").Length);
    }

    [Fact]
    public void A_failed_write_leaves_the_old_file_and_nothing_else()
    {
        using var scratch = new Scratch();
        var path = scratch.File("file");
        File.WriteAllText(path, "old");
        Assert.Throws<IOException>(() => SafeTensors.Save(path, new BrokenSource()));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.EnumerateFiles(scratch.Folder));
        Assert.Throws<DirectoryNotFoundException>(() =>
            SafeTensors.Save(scratch.File("no/such/folder"), new TensorSet())
        );
    }

    // To take its name, as a file's, would destroy /dev/null for who may do so.
    [Fact]
    public async Task A_pipe_is_written_where_it_is()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var scratch = new Scratch();
        var pipe = scratch.File("pipe");
        using (var make = Process.Start("mkfifo", [pipe]))
        {
            await make.WaitForExitAsync();
        }
        var set = new TensorSet();
        set.Add("x", [1.5f, -2], 2);
        SafeTensors.Save(scratch.File("file"), set);
        for (var i = 0; i < 2; i++)
        {
            var reader = Task.Run(() => File.ReadAllBytes(pipe));
            SafeTensors.Save(pipe, set);
            Assert.Equal(File.ReadAllBytes(scratch.File("file")), await reader.WaitAsync(TimeSpan.FromSeconds(30)));
        }
    }

    [Fact]
    public void Tensors_larger_than_the_writers_chunk_survive()
    {
        using var scratch = new Scratch();
        var values = Enumerable.Range(0, 1_000_003).Select(i => (float)i).ToArray();
        var set = new TensorSet();
        set.Add("large", values, values.Length);
        SafeTensors.Save(scratch.File("file"), set);
        Assert.Equal(values, SafeTensors.Load(scratch.File("file")).Get<float>("large"));
    }

    [Fact]
    public void A_set_refuses_what_does_not_fit()
    {
        var set = new TensorSet();
        set.Add("a", [1f], 1);
        Assert.Contains(
            "\"a\"",
            Assert.Throws<ArgumentException>(() => set.Add("a", [1f], 1)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "8 bytes",
            Assert.Throws<ArgumentException>(() => set.Add("b", [1f], 2)).Message,
            StringComparison.Ordinal
        );
        Assert.Throws<FormatException>(() => set.Add("b", [1f], -1));
        Assert.Throws<FormatException>(() => set.Add("b", [1f], long.MaxValue, long.MaxValue));
        Assert.Throws<ArgumentException>(() => set.Add("b", [1m], 1));
        Assert.Throws<ArgumentException>(() => set.Get<int>("a"));
        Assert.Throws<ArgumentNullException>(() => set.Add<float>(null!, [1f], 1));
        Assert.Throws<KeyNotFoundException>(() => set.Get<float>("z"));
        Assert.Throws<KeyNotFoundException>(() => set.GetDoubles("z"));
        set.Add("whole", [1], 1);
        Assert.Throws<ArgumentException>(() => set.GetDoubles("whole"));
        Assert.False(set.Remove("z"));
        Assert.True(set.Remove("a"));
        Assert.DoesNotContain("a", set.Tensors.Keys);
    }

    [Fact]
    public void A_file_refuses_reads_beyond_a_tensor()
    {
        using var scratch = new Scratch();
        var set = new TensorSet();
        set.Add("a", [1f, 2], 2);
        set.Add("b", [3f, 4], 2);
        SafeTensors.Save(scratch.File("file"), set);
        using var file = SafeTensorsFile.Open(scratch.File("file"));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read("a", 4, new byte[8]));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read("a", -4, new byte[4]));
        Assert.Throws<KeyNotFoundException>(() => file.Read("z", 0, new byte[4]));
        var value = new byte[4];
        file.Read("b", 4, value);
        Assert.Equal(4f, BitConverter.ToSingle(value));
    }

    internal static byte[] FileBytes(string header, int dataBytes = 0, ulong? claimedLength = null)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var bytes = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, claimedLength ?? (ulong)json.Length);
        json.CopyTo(bytes, 8);
        return bytes;
    }

    private sealed class BrokenSource : ITensorSource
    {
        public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

        public IReadOnlyDictionary<string, TensorInfo> Tensors { get; } =
            new Dictionary<string, TensorInfo> { ["a"] = new("a", SafeTensorType.F32, [1]) };

        public void Read(string name, long offset, Span<byte> destination) => throw new IOException("broken");
    }
}
