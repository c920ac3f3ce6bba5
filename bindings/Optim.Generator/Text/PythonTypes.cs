using Optim.Generator.Header;

namespace Optim.Generator.Text;

/// <summary>Turns types of the header into types of Python's ctypes. Pointers to structs keep their type; all others, of the
/// host or a device, are addresses.</summary>
internal sealed class PythonTypes(CHeader header)
{
    private readonly HashSet<string> _structs =
    [
        .. header.Structs.Where(type => !type.Opaque).Select(type => type.Name),
    ];

    public string Result(string spelling) => spelling == "void" ? "None" : Value(spelling);

    /// <summary>A member of a struct, a parameter, or what a function returns.</summary>
    public string Value(string spelling)
    {
        var words = spelling
            .Replace("*", " * ", StringComparison.Ordinal)
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var type = words.First(word => word is not ("const" or "struct" or "*"));
        return (type, words.Count(word => word == "*")) switch
        {
            (_, 0) => Scalar(type),
            ("char", 1) => "c_char_p",
            (_, 1) when _structs.Contains(type) => $"POINTER({Names.Pascal(Names.WithoutPrefix(type))})",
            _ => "c_void_p",
        };
    }

    private static string Scalar(string type) =>
        type switch
        {
            "float" => "c_float",
            "double" => "c_double",
            "int32_t" or "optim_status" => "c_int32",
            "int64_t" => "c_int64",
            "uint64_t" => "c_uint64",
            _ => throw new GeneratorException($"No ctypes type for {type}."),
        };
}
