using System.Globalization;
using System.IO.Compression;

namespace Optim.Cli.Demo;

/// <summary>Images with their labels: <see cref="Digits.Pixels"/> values a row.</summary>
internal sealed record DigitSet(float[] Images, int[] Labels)
{
    public int Count => Labels.Length;

    public ReadOnlySpan<float> Image(int index) => Images.AsSpan(index * Digits.Pixels, Digits.Pixels);

    /// <summary>The images at <paramref name="indices"/>, in that order.</summary>
    public DigitSet Select(ReadOnlySpan<int> indices)
    {
        var images = new float[indices.Length * Digits.Pixels];
        var labels = new int[indices.Length];
        for (int i = 0; i < indices.Length; i++)
        {
            Image(indices[i]).CopyTo(images.AsSpan(i * Digits.Pixels));
            labels[i] = Labels[indices[i]];
        }
        return new DigitSet(images, labels);
    }
}

/// <summary>The handwritten digits that are embedded in the program (attribution: Data/README.md).</summary>
internal static class Digits
{
    public const int Pixels = 64;
    public const int Classes = 10;

    private const string Resource = "digits.csv.gz";
    private const float LargestPixel = 16;

    public static DigitSet Load()
    {
        using Stream packed =
            typeof(Digits).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidDataException($"the program lacks its resource '{Resource}'");
        using var text = new StreamReader(new GZipStream(packed, CompressionMode.Decompress));
        return Parse(text);
    }

    /// <summary>Reads lines of 64 pixels and a label; pixels are mapped from 0 ... 16 to -1 ... 1.</summary>
    public static DigitSet Parse(TextReader text)
    {
        var images = new List<float>();
        var labels = new List<int>();
        while (text.ReadLine() is { } line)
        {
            string[] fields = line.Split(',');
            if (fields.Length != Pixels + 1)
            {
                throw Wrong($"{fields.Length} fields, expected {Pixels} pixels and a label");
            }

            for (int i = 0; i < Pixels; i++)
            {
                images.Add((2 * float.Parse(fields[i], CultureInfo.InvariantCulture) / LargestPixel) - 1);
            }

            int label = int.Parse(fields[Pixels], CultureInfo.InvariantCulture);
            if (label is < 0 or >= Classes)
            {
                throw Wrong($"label {label}, expected 0 ... {Classes - 1}");
            }

            labels.Add(label);
        }

        return new DigitSet([.. images], [.. labels]);

        InvalidDataException Wrong(string what) => new($"digits, line {labels.Count + 1}: {what}");
    }

    /// <summary>Shuffles by <paramref name="seed"/> and holds out the given share for testing.</summary>
    public static (DigitSet Training, DigitSet Test) Split(DigitSet digits, int seed, double heldOut = 0.2)
    {
        int[] order = [.. Enumerable.Range(0, digits.Count)];
        new Random(seed).Shuffle(order);
        int test = (int)Math.Round(digits.Count * heldOut);
        return (digits.Select(order.AsSpan(test)), digits.Select(order.AsSpan(0, test)));
    }
}
