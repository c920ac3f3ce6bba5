namespace Optim;

/// <summary>Names and sizes of the element types of the safetensors format.</summary>
internal static class SafeTensorTypes
{
    private static readonly (SafeTensorType Type, string Code, int Size, Type[] Hosts)[] s_all =
    [
        (SafeTensorType.Bool, "BOOL", 1, [typeof(bool)]),
        (SafeTensorType.U8, "U8", 1, [typeof(byte)]),
        (SafeTensorType.I8, "I8", 1, [typeof(sbyte)]),
        (SafeTensorType.F8E5M2, "F8_E5M2", 1, []),
        (SafeTensorType.F8E4M3, "F8_E4M3", 1, []),
        (SafeTensorType.I16, "I16", 2, [typeof(short)]),
        (SafeTensorType.U16, "U16", 2, [typeof(ushort)]),
        (SafeTensorType.F16, "F16", 2, [typeof(Half), typeof(ushort)]),
        (SafeTensorType.BF16, "BF16", 2, [typeof(ushort)]),
        (SafeTensorType.I32, "I32", 4, [typeof(int)]),
        (SafeTensorType.U32, "U32", 4, [typeof(uint)]),
        (SafeTensorType.F32, "F32", 4, [typeof(float)]),
        (SafeTensorType.F64, "F64", 8, [typeof(double)]),
        (SafeTensorType.I64, "I64", 8, [typeof(long)]),
        (SafeTensorType.U64, "U64", 8, [typeof(ulong)]),
    ];

    /// <summary>Bytes of one element.</summary>
    public static int Size(this SafeTensorType type) => Find(type).Size;

    /// <summary>Name in the header of a file.</summary>
    public static string Code(this SafeTensorType type) => Find(type).Code;

    /// <summary>Whether a host type has the bits of the element; byte stands for raw bytes of any.</summary>
    public static bool HeldBy(this SafeTensorType type, Type host) =>
        host == typeof(byte) || Find(type).Hosts.Contains(host);

    /// <summary>The element type a host type is stored as.</summary>
    public static SafeTensorType Of(Type host)
    {
        foreach (var (type, _, _, hosts) in s_all)
        {
            if (hosts.Contains(host))
            {
                return type;
            }
        }

        throw new ArgumentException($"{host.Name} is no element of a safetensors file.", nameof(host));
    }

    /// <summary>The element type of a name in a header.</summary>
    public static SafeTensorType Parse(string code, string tensor)
    {
        foreach (var (type, name, _, _) in s_all)
        {
            if (name == code)
            {
                return type;
            }
        }

        throw new FormatException(
            $"tensor \"{tensor}\" has dtype \"{code}\"; known are "
                + $"{string.Join(", ", s_all.Select(entry => entry.Code))}"
        );
    }

    private static (SafeTensorType Type, string Code, int Size, Type[] Hosts) Find(SafeTensorType type) =>
        Enum.IsDefined(type)
            ? s_all[(int)type]
            : throw new ArgumentOutOfRangeException(nameof(type), type, "No element type of safetensors.");
}
