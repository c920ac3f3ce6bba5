// Storage formats and deterministic numbers for the tests, written independently of the library's own codecs.
#pragma once

#include <optim/optim.h>

#include <cstdint>
#include <vector>

namespace optim_test {

using Values = std::vector<double>;
using Bytes = std::vector<unsigned char>;

inline constexpr int32_t kAllDtypes[] = {OPTIM_F32, OPTIM_F64, OPTIM_F16, OPTIM_BF16};

int64_t element_size(int32_t dtype);
const char* dtype_name(int32_t dtype);

// Unit roundoff: the largest relative error of rounding a normal number to the format.
double roundoff(int32_t dtype);

// The nearest number of the format, ties to even; subnormals and overflow as IEEE 754 has them.
double round_to(int32_t dtype, double value);
Values round_to(int32_t dtype, Values values);

Bytes encode(int32_t dtype, const Values& values);
Values decode(int32_t dtype, const Bytes& bytes);

// Uniform numbers with magnitude in [low, high] and random sign. The same seed gives the same numbers everywhere.
Values random_values(uint64_t seed, int64_t count, double low = 0.25, double high = 1.5);

double norm(const Values& values);
double distance(const Values& a,
                const Values& b);  // ||a - b||; infinite when the sizes differ or an element is not finite

}  // namespace optim_test
