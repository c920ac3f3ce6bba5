using System.Globalization;
using System.Reflection;
using System.Text;

namespace Optim.Tests.Support;

/// <summary>The public surface of an assembly as text, for snapshots.</summary>
internal static class PublicApi
{
    private const BindingFlags Declared =
        BindingFlags.Public
        | BindingFlags.NonPublic
        | BindingFlags.Instance
        | BindingFlags.Static
        | BindingFlags.DeclaredOnly;

    public static string Describe(IEnumerable<Type> types)
    {
        var text = new StringBuilder();
        foreach (var type in types.OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            text.Append(Describe(type)).Append('\n');
            foreach (var member in Members(type).Order(StringComparer.Ordinal))
            {
                text.Append("    ").Append(member).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string Describe(Type type)
    {
        var kind =
            type.IsEnum ? "enum"
            : type.IsInterface ? "interface"
            : type.IsValueType ? "struct"
            : type is { IsAbstract: true, IsSealed: true } ? "static class"
            : type.IsAbstract ? "abstract class"
            : type.IsSealed ? "sealed class"
            : "class";
        Type?[] bases =
        [
            type.BaseType == typeof(object) || type.IsValueType ? null : type.BaseType,
            .. type.GetInterfaces(),
        ];
        var names = bases
            .OfType<Type>()
            .Where(parent => parent.Namespace!.StartsWith(nameof(Optim), StringComparison.Ordinal) || parent == typeof(IDisposable))
            .Select(Name)
            .Order(StringComparer.Ordinal)
            .ToArray();
        return $"{kind} {Name(type)}{(names.Length > 0 ? " : " + string.Join(", ", names) : "")}";
    }

    private static IEnumerable<string> Members(Type type)
    {
        if (type.IsEnum)
        {
            return Enum.GetValues(type)
                .Cast<object>()
                .Select(value =>
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{value} = {Convert.ToInt64(value, CultureInfo.InvariantCulture)}"
                    )
                );
        }

        var methods = type.GetMethods(Declared)
            .Where(method => IsVisible(method) && !method.IsSpecialName && !IsOfRecords(method))
            .Select(method =>
                $"{Static(method)}{Name(method.ReturnType)} {method.Name}{Generic(method)}({Parameters(method)})"
            );
        var constructors = type.GetConstructors(Declared)
            .Where(IsVisible)
            .Select(constructor => $"new({Parameters(constructor)})");
        var properties = type.GetProperties(Declared)
            .Where(property => property.GetAccessors(nonPublic: true).Any(IsVisible))
            .Where(property => property.Name != "EqualityContract")
            .Select(Property);
        return methods.Concat(constructors).Concat(properties);
    }

    private static string Property(PropertyInfo property)
    {
        var accessors = property
            .GetAccessors(nonPublic: true)
            .Where(IsVisible)
            .Select(accessor =>
                accessor.ReturnType != typeof(void) ? "get;"
                : accessor.ReturnParameter.GetRequiredCustomModifiers().Length > 0 ? "init;"
                : "set;"
            );
        var index = string.Join(", ", property.GetIndexParameters().Select(parameter => Name(parameter.ParameterType)));
        var name = index.Length > 0 ? $"this[{index}]" : property.Name;
        var isStatic = property.GetAccessors(nonPublic: true)[0].IsStatic ? "static " : "";
        var sorted = string.Join(" ", accessors.Order(StringComparer.Ordinal));
        return $"{isStatic}{Name(property.PropertyType)} {name} {{ {sorted} }}";
    }

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    /// <summary>What the compiler adds to every record.</summary>
    private static bool IsOfRecords(MethodInfo method) =>
        method.Name is "<Clone>$" or "PrintMembers" or "Equals" or "GetHashCode" or "ToString" or "Deconstruct";

    private static string Static(MethodInfo method) => method.IsStatic ? "static " : "";

    private static string Generic(MethodInfo method) =>
        method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(Name))}>" : "";

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo parameter)
    {
        var direction =
            parameter.IsOut ? "out "
            : parameter.ParameterType.IsByRef ? "in "
            : "";
        var value = parameter.HasDefaultValue ? $" = {Default(parameter.DefaultValue)}" : "";
        return $"{direction}{Name(parameter.ParameterType)} {parameter.Name}{value}";
    }

    private static string Default(object? value) =>
        value switch
        {
            null => "default",
            bool flag => flag ? "true" : "false",
            _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        };

    private static string Name(Type type)
    {
        if (type.IsByRef)
        {
            return Name(type.GetElementType()!);
        }

        if (type.IsArray)
        {
            return Name(type.GetElementType()!) + "[]";
        }

        if (!type.IsGenericType)
        {
            return type == typeof(void) ? "void" : type.Name;
        }

        var name = type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)];
        return $"{name}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }
}
