using System.Runtime.InteropServices;

namespace Optim.Generator;

/// <summary>Reads the schema out of a built native library.</summary>
internal static unsafe class SchemaLibrary
{
    public static SchemaDocument Read(string path)
    {
        if (!NativeLibrary.TryLoad(path, out var library))
        {
            throw new GeneratorException($"The native library {path} cannot be loaded; build it first.");
        }

        if (!NativeLibrary.TryGetExport(library, "optim_schema_json", out var function))
        {
            throw new GeneratorException($"{path} is no Optim library: it has no optim_schema_json.");
        }

        var json = Marshal.PtrToStringUTF8((nint)((delegate* unmanaged<byte*>)function)());
        return SchemaReader.Read(json ?? "");
    }
}
