// Functions that every library computes in its own way, here of + - * / and bit operations alone, for float and double:
// loops over them vectorize, and every instruction set and device gets the same bits. NaN stays NaN.
#pragma once

#include "core/bits.h"

namespace optim::math {

// A floating-point type: its format, and what the functions below take from it.
template <class T>
struct Format;

template <>
struct Format<float> {
  using Bits = std::uint32_t;
  static constexpr int fraction_bits = 23, exponent_bits = 8, exponent_bias = 127;
  static constexpr float whole = 0x1p23f;                                 // numbers from here on are whole
  static constexpr float ln2_hi = 0x1.63p-1f, ln2_lo = -0x1.bd0106p-13f;  // hi times any exponent is exact
  static constexpr float exp_zero = -87, exp_infinite = 89;               // where exp is 0 and infinity
  static constexpr float exp_lost = 20;                                   // exp(-x) / x is less than half an epsilon
  static constexpr Bits root_half = 0x3f3504f3;                           // the bits of the root of 1/2
  static constexpr float lift = 0x1p24f, lift_root = 0x1p8f;              // makes subnormal numbers normal; cube root
  static constexpr int exp_terms = 8, log_terms = 5, log1p_terms = 7, cbrt_rounds = 1;
};

template <>
struct Format<double> {
  using Bits = std::uint64_t;
  static constexpr int fraction_bits = 52, exponent_bits = 11, exponent_bias = 1023;
  static constexpr double whole = 0x1p52;
  static constexpr double ln2_hi = 0x1.62e42feep-1, ln2_lo = 0x1.a39ef35793c76p-33;
  static constexpr double exp_zero = -708.4, exp_infinite = 710, exp_lost = 40;
  static constexpr Bits root_half = 0x3fe6a09e667f3bcd;
  static constexpr double lift = 0x1p54, lift_root = 0x1p18;
  static constexpr int exp_terms = 14, log_terms = 11, log1p_terms = 16, cbrt_rounds = 2;
};

template <class T>
using Bits = typename Format<T>::Bits;

template <class T>
OPTIM_FN Bits<T> bits_of(T x) {
  return bit_cast<Bits<T>>(x);
}

// 2^(biased - exponent_bias), or infinity for the largest biased exponent.
template <class T>
OPTIM_FN T power_of_two(Bits<T> biased) {
  return bit_cast<T>(biased << Format<T>::fraction_bits);
}

template <class T>
OPTIM_FN T magnitude(T x) {
  return bit_cast<T>(bits_of(x) << 1 >> 1);
}

// Terms of a power series whose coefficients are Coefficient::at(k), from the K-th, divided by x^K. In pairs, which do
// not wait for each other as all terms of Horner's scheme do. Higher powers of a small x would be subnormal.
template <class Coefficient, int Terms, int K = 0, class T>
OPTIM_FN T series(T x) {
  constexpr T c = T(Coefficient::at(K));
  if constexpr (Terms == 1) {
    return c;
  } else {
    constexpr T next = T(Coefficient::at(K + 1));
    const T pair = c + x * next;
    if constexpr (Terms == 2) {
      return pair;
    } else {
      return pair + (x * x) * series<Coefficient, Terms - 2, K + 2>(x);
    }
  }
}

struct InverseFactorial {
  static constexpr double at(int k) { return k == 0 ? 1 : at(k - 1) / k; }
};
struct InverseOdd {
  static constexpr double at(int k) { return 1.0 / (2 * k + 3); }
};

// Polynomials of least relative error. 1 + x (at(1) + at(2) x + ...) is 2^-x for |x| <= 1/2, to 2.0e-9.
struct PowerOfHalf {
  static constexpr int terms = 6;
  static constexpr double at(int k) {
    constexpr double c[] = {-0.6931472028552162,  0.2402264791361482,     -0.05550332470777847,
                            0.009618437358333344, -0.0013398874559380491, 0.00015353362040677887};
    return c[k - 1];
  }
};

// x - x^2 (at(0) + at(1) x + ...) is log(1 + x) for 0 <= x <= 1, to 3.3e-8.
struct Log1pRest {
  static constexpr int terms = 8;
  static constexpr double at(int k) {
    constexpr double c[] = {0.4999964796266219, -0.3332132259504181,  0.2485716345020073,   -0.19153653971721246,
                            0.137538000501763,  -0.07920450594805561, 0.030065772541790596, -0.005364819019362709};
    return c[k];
  }
};

// The exponential function; 0 where that would be less than about 1.4 times the smallest normal number, since subnormal
// numbers cost a processor its speed.
template <class T>
OPTIM_FN T exp(T x) {
  using F = Format<T>;
  constexpr T log2_e = T(0x1.71547652b82fep+0);
  constexpr T rounding = T(1.5) * F::whole;  // a small number added to it is rounded, and the last bits hold the result
  x = x < F::exp_zero ? F::exp_zero : x;
  x = x > F::exp_infinite ? F::exp_infinite : x;

  // x = n ln2 + r with |r| <= ln2 / 2, exp(x) = 2^n exp(r)
  const T rounded = x * log2_e + rounding;
  const T n = rounded - rounding;
  const T r = (x - n * F::ln2_hi) - n * F::ln2_lo;
  const T y = 1 + r * series<InverseFactorial, F::exp_terms - 1, 1>(r);

  // 2^n as 2 times 2^(n - 1): it may leave the range although the result does not. At exp_zero the second is 0.
  return (y + y) * power_of_two<T>(bits_of(rounded) - bits_of(rounding) + (F::exponent_bias - 1));
}

// log(1 + x) for 0 <= x <= 1.
template <class T>
OPTIM_FN T log1p(T x) {
  // 1 + x = (1 + s) / (1 - s): its logarithm is 2 s (1 + s^2/3 + s^4/5 + ...), and 2 s = x - s x.
  const T s = x / (2 + x);
  const T rest = 2 * (s * s) * series<InverseOdd, Format<T>::log1p_terms>(s * s);
  return x - s * (x - rest);
}

// The natural logarithm of a finite positive number; subnormal numbers are taken for the smallest normal one.
template <class T>
OPTIM_FN T log(T x) {
  using F = Format<T>;
  constexpr Bits<T> one = static_cast<Bits<T>>(F::exponent_bias) << F::fraction_bits;
  constexpr Bits<T> root_half = F::root_half;
  const T smallest = power_of_two<T>(1);
  const Bits<T> bits = bits_of(x > smallest ? x : smallest) + (one - root_half);
  // x = 2^n m with m between the roots of 1/2 and 2; log m = 2 atanh(s).
  const T n = static_cast<T>(static_cast<std::int32_t>(bits >> F::fraction_bits) - F::exponent_bias);
  const T m = bit_cast<T>((bits & ((Bits<T>(1) << F::fraction_bits) - 1)) + root_half);
  const T s = (m - 1) / (m + 1);
  const T rest = 2 * (s * s) * s * series<InverseOdd, F::log_terms>(s * s);
  return n * F::ln2_hi + (n * F::ln2_lo + (2 * s + rest));
}

// x^e for x >= 0 and 0 < e <= 1. In double for float too: an error of the logarithm grows by its size.
template <class T>
OPTIM_FN T power(T x, T e) {
  const double size = static_cast<double>(x);
  const T result = x == 0 ? T(0) : T(exp(static_cast<double>(e) * log(size)));
  return size - size == 0 ? result : x;  // infinity stays, and NaN
}

// log(1 + exp(beta x)) / beta for beta > 0: a smooth maximum of x and 0.
template <class T>
OPTIM_FN T softplus(T x, T beta) {
  const T size = beta * magnitude(x);
  // Farther away, exp is lost beside x, and powers of it would be subnormal.
  const T farthest = x > 0 ? Format<T>::exp_lost : -Format<T>::exp_zero;
  const T distance = size > farthest ? farthest : size;
  return (x > 0 ? x : T(0)) + log1p(exp(-distance)) * (1 / beta);
}

// The same for x >= 0. In float in half the operations: what is added to x needs no more than this.
template <class T>
OPTIM_FN T softplus_of_positive(T x, T beta) {
  return softplus(x, beta);
}

template <>
OPTIM_FN float softplus_of_positive(float x, float beta) {
  using F = Format<float>;
  constexpr float log2_e = 0x1.715476p+0f, rounding = 1.5f * F::whole, farthest = F::exp_lost;
  // The lesser by the bits: of a comparison of numbers gcc makes two cases of all that comes after it, and computes the
  // one that the comparison was to prevent.
  const Bits<float> size = bits_of(beta * x);
  const float distance = bit_cast<float>(size < bits_of(farthest) ? size : bits_of(farthest));
  // exp(-distance) = 2^-n 2^-r with |r| <= 1/2
  const float power = distance * log2_e;
  const float rounded = power + rounding;
  const float r = power - (rounded - rounding);
  const float fraction = 1 + r * series<PowerOfHalf, PowerOfHalf::terms, 1>(r);
  const float u = bit_cast<float>(bits_of(fraction) - (bits_of(rounded) << F::fraction_bits));
  return x + (u - (u * u) * series<Log1pRest, Log1pRest::terms>(u)) * (1 / beta);
}

// x^(-1/3) to 4 percent, for positive x: the bits of a number are close to its logarithm.
template <class T>
OPTIM_FN T rough_inverse_cbrt(T x) {
  using F = Format<T>;
  // The bits but for the last ones, as a whole number of type T, so that they can be multiplied by 1/3.
  constexpr int last = F::exponent_bits + 1;
  const T leading = bit_cast<T>(bits_of(x) >> last | bits_of(F::whole)) - F::whole;
  // 0.051 makes the largest errors below and above equal.
  constexpr double one = static_cast<double>(Bits<T>(1) << (F::fraction_bits - last));  // an octave
  constexpr T bias = T(4.0 / 3 * (F::exponent_bias - 0.051) * one);
  return bit_cast<T>(bits_of(F::whole + (bias - leading * T(1.0 / 3))) << last);
}

// The cube root.
template <class T>
OPTIM_FN T cbrt(T x) {
  using F = Format<T>;
  const T size = magnitude(x);
  const bool small = size < 1;
  const T a = small ? size * F::lift : size;

  // With e = 1 - a z^3, the root of 1/a is z (1 - e)^(-1/3) = z (1 + e/3 + 2/9 e^2 + 14/81 e^3 + ...).
  T z = rough_inverse_cbrt(a);
  for (int i = 0; i < F::cbrt_rounds; ++i) {
    const T e = 1 - a * z * z * z;
    z = z + z * e * (T(1.0 / 3) + e * (T(2.0 / 9) + e * T(14.0 / 81)));
  }
  // One step of Newton's for the root itself; halves, because its cube may round beyond the range.
  const T rough = a * z * z;
  const T difference = a * T(0.5) - rough * T(0.5) * rough * rough;
  const T root = (rough + difference * (z * z) * T(2.0 / 3)) * (small ? 1 / F::lift_root : T(1));

  const T result = size < power_of_two<T>(2 * F::exponent_bias + 1) ? root : size;  // infinity stays, and NaN
  return bit_cast<T>(bits_of(result) | (bits_of(x) ^ bits_of(size)));
}

}  // namespace optim::math
