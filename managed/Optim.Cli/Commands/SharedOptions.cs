using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace Optim.Cli.Commands;

/// <summary>Options that several commands have.</summary>
internal static class SharedOptions
{
    /// <summary>Storage types by the short names of the command line.</summary>
    public static readonly IReadOnlyDictionary<string, DType> DTypes = new Dictionary<string, DType>
    {
        ["f32"] = DType.Float32,
        ["f64"] = DType.Float64,
        ["f16"] = DType.Float16,
        ["bf16"] = DType.BFloat16,
    };

    public static readonly Option<FileInfo?> Library = new("--library")
    {
        Description = "The native library to load, instead of OPTIM_LIBRARY or the one that was built.",
        HelpName = "PATH",
        Recursive = true,
    };

    public static void UseLibrary(ParseResult parsed)
    {
        if (parsed.GetValue(Library) is { } file)
        {
            OptimLibrary.Path = file.FullName;
        }
    }

    public static Option<Device> DeviceOption() =>
        new("--device")
        {
            Description = "cpu, cuda or cuda:N.",
            HelpName = "DEVICE",
            DefaultValueFactory = _ => Device.Cpu,
            CustomParser = result =>
            {
                if (!Device.TryParse(result.Tokens[0].Value, out Device device))
                {
                    result.AddError($"--device {result.Tokens[0].Value}: allowed are cpu, cuda and cuda:N");
                }
                return device;
            },
        };

    public static Option<string> DTypeOption(string description, params string[] allowed)
    {
        var option = new Option<string>("--dtype")
        {
            Description = description,
            HelpName = string.Join('|', allowed),
            DefaultValueFactory = _ => allowed[0],
        };
        option.Validators.Add(result => OneOf(result, allowed));
        return option;
    }

    /// <summary>A whole number of at least <paramref name="minimum"/>.</summary>
    public static Option<T> NumberOption<T>(string name, string description, T byDefault, T minimum)
        where T : IBinaryInteger<T> =>
        new(name)
        {
            Description = description,
            HelpName = "N",
            DefaultValueFactory = _ => byDefault,
            CustomParser = result =>
            {
                string text = result.Tokens[0].Value;
                if (!T.TryParse(text, CultureInfo.InvariantCulture, out T? value) || value < minimum)
                {
                    result.AddError($"{name} {text}: must be a whole number of at least {minimum}");
                }
                return value!;
            },
        };

    /// <summary>Names of rules, several at once or the option several times.</summary>
    public static Option<string[]> RulesOption(string name, string description) =>
        new(name)
        {
            Description = description,
            HelpName = "NAME",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [],
        };

    public static Option<FileInfo?> JsonOption(string description)
    {
        var option = new Option<FileInfo?>("--json") { Description = description, HelpName = "FILE" };
        option.Validators.Add(result =>
        {
            // Said before the work whose results it would lose.
            foreach (Token token in result.Tokens.Where(token => Directory.Exists(token.Value)))
            {
                result.AddError($"--json {token.Value}: is a folder; it must be a file");
            }
        });
        return option;
    }

    private static void OneOf(OptionResult result, string[] allowed)
    {
        foreach (Token token in result.Tokens)
        {
            if (!allowed.Contains(token.Value))
            {
                result.AddError($"--dtype {token.Value}: allowed are {string.Join(", ", allowed)}");
            }
        }
    }
}
