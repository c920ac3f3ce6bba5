using System.Globalization;
using Optim.Generator.Header;
using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>The interop: constants, structs, safe handles and imported functions.</summary>
internal static class InteropFiles
{
    private const string Namespace = "namespace Optim.Interop;";

    public static void Write(CHeader header, FileSet files)
    {
        var types = new NativeTypes(header);
        files.Add("Interop/Native.g.cs", Constants(header));
        files.Add("Interop/NativeMethods.g.cs", Functions(header, types));
        foreach (var type in header.Structs.Where(type => !type.Opaque))
        {
            files.Add($"Interop/{NativeTypes.Struct(type.Name)}.g.cs", Struct(type, types));
        }

        foreach (var type in header.Structs.Where(type => type.Opaque))
        {
            files.Add($"Interop/{NativeTypes.Handle(type.Name)}.g.cs", Handle(type.Name));
        }
    }

    private static string Constants(CHeader header)
    {
        var source = new SourceText().Line(Namespace).Line();
        source.Summary("The constants of the C ABI.").Open("internal static class Native");
        foreach (var constant in header.Constants.OrderBy(constant => constant.Name, StringComparer.Ordinal))
        {
            var value = constant.Value.ToString(CultureInfo.InvariantCulture);
            source.Line($"public const int {Names.WithoutPrefix(constant.Name)} = {value};");
        }

        return source.Close().ToString();
    }

    private static string Struct(CStruct type, NativeTypes types)
    {
        var source = new SourceText("System.Runtime.InteropServices").Line(Namespace).Line().Summary(type.Doc);
        source.Line("[StructLayout(LayoutKind.Sequential)]");
        source.Open($"internal unsafe struct {NativeTypes.Struct(type.Name)}");
        foreach (var field in type.Fields)
        {
            var name = Names.Pascal(field.Name);
            source
                .Summary(field.Doc)
                .Line(
                    field.Length > 0
                        ? string.Create(
                            CultureInfo.InvariantCulture,
                            $"public fixed {types.Value(field.Type)} {name}[{field.Length}];"
                        )
                        : $"public {types.Value(field.Type)} {name};"
                );
            if (field != type.Fields[^1])
            {
                source.Line();
            }
        }

        return source.Close().ToString();
    }

    private static string Handle(string type)
    {
        var name = NativeTypes.Handle(type);
        var free = Names.Pascal(Names.WithoutPrefix(type)) + "Free";
        return new SourceText()
            .Line(Namespace)
            .Line()
            .Summary($"An owned {type}.")
            .Open($"internal sealed class {name} : NativeHandle")
            .Line($"protected override void Free(nint handle) => NativeMethods.{free}(handle);")
            .Close()
            .ToString();
    }

    private static string Functions(CHeader header, NativeTypes types)
    {
        var source = new SourceText("System.Runtime.InteropServices").Line(Namespace).Line();
        source.Summary("The functions of the C ABI.").Open("internal static unsafe partial class NativeMethods");
        foreach (var function in header.Functions)
        {
            var frees = function.Name.EndsWith("_free", StringComparison.Ordinal);
            var parameters = function.Parameters.Select(parameter =>
                $"{types.Parameter(parameter, frees)} {Names.Camel(parameter.Name)}"
            );
            var name = Names.Pascal(Names.WithoutPrefix(function.Name));
            source
                .Summary(function.Doc)
                .Line($"[LibraryImport(OptimLibrary.Name, EntryPoint = \"{function.Name}\")]")
                .Line(
                    $"internal static partial {types.Value(function.Returns)} {name}({string.Join(", ", parameters)});"
                );
            if (function != header.Functions[^1])
            {
                source.Line();
            }
        }

        return source.Close().ToString();
    }
}
