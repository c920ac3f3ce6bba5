using Optim.Generator.Header;

namespace Optim.Generator.Text;

/// <summary>Turns types of the header into blittable types of C#.</summary>
internal sealed class NativeTypes(CHeader header)
{
    private readonly HashSet<string> _opaque = [.. header.Structs.Where(type => type.Opaque).Select(type => type.Name)];

    public static string Struct(string name) => "Native" + Names.Pascal(Names.WithoutPrefix(name));

    public static string Handle(string name) => Names.Pascal(Names.WithoutPrefix(name)) + "Handle";

    /// <summary>A parameter. An opaque object is a safe handle, except where it is freed.</summary>
    public string Parameter(CParameter parameter, bool frees)
    {
        var (type, stars) = Split(parameter.Type);
        if (!_opaque.Contains(type))
        {
            return Pointer(type, stars);
        }

        return (stars, frees) switch
        {
            (1, true) => "nint",
            (1, false) => Handle(type),
            (2, false) => "out " + Handle(type),
            _ => throw new GeneratorException($"{parameter.Name}: no C# type for {parameter.Type}."),
        };
    }

    /// <summary>A member of a struct, or a returned value.</summary>
    public string Value(string spelling)
    {
        var (type, stars) = Split(spelling);
        return _opaque.Contains(type) ? "nint" : Pointer(type, stars);
    }

    private static string Pointer(string type, int stars) => Scalar(type) + new string('*', stars);

    private static (string Type, int Stars) Split(string spelling)
    {
        var words = spelling
            .Replace("*", " * ", StringComparison.Ordinal)
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return (words.First(word => word is not ("const" or "struct" or "*")), words.Count(word => word == "*"));
    }

    private static string Scalar(string type) =>
        type switch
        {
            "void" or "float" or "double" => type,
            "char" or "uint8_t" => "byte",
            "int32_t" or "optim_status" => "int",
            "uint32_t" => "uint",
            "int64_t" => "long",
            "uint64_t" => "ulong",
            _ when type.StartsWith(Names.Prefix, StringComparison.Ordinal) => Struct(type),
            _ => throw new GeneratorException($"No C# type for {type}."),
        };
}
