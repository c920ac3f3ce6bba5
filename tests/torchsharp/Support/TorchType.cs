namespace Optim.TorchSharp.Tests.Support;

/// <summary>c10::ScalarType.</summary>
internal enum TorchType
{
    Int64 = 4,
    Float16 = 5,
    Float32 = 6,
    Float64 = 7,
    ComplexFloat32 = 9,
    BFloat16 = 15,
}
