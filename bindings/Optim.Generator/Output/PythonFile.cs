using System.Globalization;
using System.Text;
using Optim.Generator.Header;
using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>The C ABI as the Python module's ctypes declare it: constants, structs with the comments of their members, and
/// the types of all functions.</summary>
internal static class PythonFile
{
    public const string Path = "bindings/python/optim/_abi.py";

    private const int Width = 120;

    public static string Text(CHeader header)
    {
        var types = new PythonTypes(header);
        var text = new StringBuilder()
            .Append("\"\"\"The C ABI, from optim.h. Written by bindings/Optim.Generator; do not edit.\"\"\"\n\n")
            .Append("from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int32, c_int64, c_uint64, c_void_p\n\n");
        foreach (var constant in header.Constants.OrderBy(constant => constant.Name, StringComparer.Ordinal))
        {
            var value = constant.Value.ToString(CultureInfo.InvariantCulture);
            text.Append(CultureInfo.InvariantCulture, $"{Names.WithoutPrefix(constant.Name)} = {value}\n");
        }

        foreach (var type in header.Structs.Where(type => !type.Opaque))
        {
            Struct(text, type, types);
        }

        text.Append("\n\n# Of each function the type of its result, and of its parameters by name.\nFUNCTIONS = {\n");
        foreach (var function in header.Functions)
        {
            Function(text, function, types);
        }

        return text.Append("}\n").ToString();
    }

    private static void Struct(StringBuilder text, CStruct type, PythonTypes types)
    {
        text.Append(CultureInfo.InvariantCulture, $"\n\nclass {Names.Pascal(Names.WithoutPrefix(type.Name))}(Structure):\n");
        text.Append("    _fields_ = [\n");
        foreach (var field in type.Fields)
        {
            var length = field.Length > 0 ? string.Create(CultureInfo.InvariantCulture, $" * {field.Length}") : "";
            text.Append(CultureInfo.InvariantCulture, $"        (\"{field.Name}\", {types.Value(field.Type)}{length}),\n");
        }

        text.Append("    ]\n    docs = {\n");
        foreach (var field in type.Fields.Where(field => field.Doc.Length > 0))
        {
            text.Append(CultureInfo.InvariantCulture, $"        \"{field.Name}\": {Literal(field.Doc, field.Name.Length + 13)},\n");
        }

        text.Append("    }\n");
    }

    private static void Function(StringBuilder text, CFunction function, PythonTypes types)
    {
        text.Append(CultureInfo.InvariantCulture, $"    \"{function.Name}\": (\n");
        text.Append(CultureInfo.InvariantCulture, $"        {types.Result(function.Returns)},\n        {{\n");
        foreach (var parameter in function.Parameters)
        {
            text.Append(CultureInfo.InvariantCulture, $"            \"{parameter.Name}\": {types.Value(parameter.Type)},\n");
        }

        text.Append("        },\n    ),\n");
    }

    /// <summary>A string literal; where it does not fit into its line, after <paramref name="indent"/> letters, several that
    /// Python joins.</summary>
    private static string Literal(string doc, int indent)
    {
        var escaped = doc.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
        if (indent + escaped.Length + 2 <= Width)
        {
            return $"\"{escaped}\"";
        }

        const string margin = "\n            ";
        var lines = new StringBuilder("(");
        var line = new StringBuilder();
        foreach (var word in escaped.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (margin.Length + line.Length + word.Length + 3 > Width)
            {
                lines.Append(margin).Append('"').Append(line).Append(" \"");
                line.Clear();
            }

            line.Append(line.Length > 0 ? " " : "").Append(word);
        }

        return lines.Append(margin).Append('"').Append(line).Append("\"\n        )").ToString();
    }
}
