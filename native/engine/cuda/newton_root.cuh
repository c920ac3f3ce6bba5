// Inverse p-th roots of matrices stored in float by a scaled coupled Newton iteration in double: products alone, which
// the tensor cores take, where an eigendecomposition goes over the matrix once for each of its columns.
//
// Coupled Newton (Guo and Higham: A Schur-Newton method for the matrix p-th root and its inverse, 2006), for A with its
// spectrum in [l, 1]: from X = I, M = A,
//   T = ((p + 1) I - s M) / p,   X <- s^(1/p) X T,   M <- s T^p M,
// under which X^p A = M stays, and every eigenvalue x of M becomes f(s x), f(x) = x ((p + 1 - x) / p)^p. f rises from 0
// to 1 at x = 1 and falls to 0 at x = p + 1. With s = 1, as published, a small eigenvalue grows by about e in an
// iteration. The scale s > 1 is chosen such that the ends meet, f(s) = f(l s): no s brings the smallest eigenvalue
// higher. With q = l^(1/p), the p-th root of that equation is linear in s:
//   p + 1 - s = q (p + 1 - l s),   s = (p + 1) (1 - q) / (1 - q^(p + 1)).
// The spectrum is then in [f(l s), 1]; a small l grows by (p + 1) ((p + 1) / p)^p, 12 for p = 4, and as l -> 1, s -> 1
// and convergence is quadratic. A condition of 1e6 takes 9 iterations for p = 4 where s = 1 takes 20.
//
// Rounding of M is about 10 u beside eigenvalues that have grown to 10 l in the first iteration: a relative error of u / l
// in the smallest, which stays. least_bound keeps it below what float can show.
#pragma once

#include <cfloat>

#include "engine/cuda/lanczos.cuh"
#include "engine/cuda/roots.h"
#include "linalg/inverse_root.h"

namespace optim::cuda {

constexpr int newton_slots = 4;  // matrices of SquareShape::size() numbers

// Shared memory of a block: of the Lanczos method, or of products.
union NewtonShared {
  struct {
    double partial[linalg::lanes];
    double squares[product_threads];
    LanczosState lanczos;
  } vectors;
  ProductPanels panels[product_stages];
};

class NewtonRoot {
 public:
  __device__ NewtonRoot(const BlockTeam& team, const RootItem& item, double* room, NewtonShared& shared)
      : team_(team), item_(item), shape_{item.n}, p_(small_root(item.options.root)), shared_(shared) {
    for (int i = 0; i < newton_slots; ++i) free_[i] = room + i * shape_.size();
    free_count_ = newton_slots;
  }

  // False, and nothing written, where the matrix is not for this iteration: it has to be decomposed. The iteration cannot
  // raise an eigenvalue that is below the floor by d: (floor - d + shift)^(-1/p) is too large by about
  // d / (p (floor + shift)). Accepted is a d that an eigendecomposition in float might lose, 4 u of the largest, and
  // that is no more than a tenth of floor + shift. d is known from the ends of two spectra, neither of which the Lanczos
  // method overstates: the smallest eigenvalue of A, before the work, and the largest of its root, after it, where what is
  // near the floor stands far apart from the rest.
  __device__ bool take() {
    if (p_ == 0) return false;
    const auto* const source = static_cast<const float*>(item_.source);
    const double largest_element = linalg::largest_magnitude(team_, item_.n, source);
    if (!(largest_element <= DBL_MAX)) return false;
    int exponent = 0;
    frexp(largest_element, &exponent);
    const double scale = ldexp(1.0, exponent);
    double* m = claim();
    load(source, 1 / scale, m);

    const SpectrumEnds ends = spectrum_ends(team_, shape_, m, 1e-8, free_[0], shared_.vectors.lanczos);
    const linalg::InverseRoot& options = item_.options;
    const double least_reference = linalg::smallest_scale / scale;
    const double reference = ends.largest > least_reference ? ends.largest : least_reference;
    const double floor =
        options.floor > 0 || options.ridge > 0 ? options.floor / scale : item_.n * linalg::roundoff * reference;
    const double shift = options.ridge * reference;
    const double lost = 2 * FLT_EPSILON * ends.largest, tenth = 0.1 * (floor + shift);
    const double lowest = floor - (lost < tenth ? lost : tenth);
    const double bound = ends.largest * (1 + 1e-3) + shift;
    const double lower = (floor > ends.smallest / 2 ? floor : ends.smallest / 2) + shift;
    if (!(ends.smallest >= lowest && lower >= least_bound * bound && bound > 0)) return false;

    if (!iterate(m, shift, bound, lower / bound)) return false;
    const double root_of_bound = pow(bound * scale, -1.0 / p_);
    const double largest_root = spectrum_ends(team_, shape_, x_, 1e-3, free_[0], shared_.vectors.lanczos).largest;
    constexpr double estimate = 1e-12;  // how well that is known at best
    if (!(bound * pow(largest_root, -p_) - shift >= lowest - estimate * bound)) return false;
    if (!(largest_root * root_of_bound < static_cast<double>(FLT_MAX))) return false;
    store(root_of_bound);
    return true;
  }

 private:
  // p, or 0 where p is not one of 1 ... 16.
  static __device__ int small_root(double root) {
    const int p = root >= 1 && root <= 16 ? static_cast<int>(root) : 0;
    return p == root ? p : 0;
  }

  static constexpr double least_bound = 1e-8;  // of l
  static constexpr int most_iterations = 32;
  static constexpr int most_products = 8;  // of one iteration: p = 15
  // |M - I|_F from which the last step leaves an error of its square.
  static constexpr double nearly = 1e-5;

  __device__ double* claim() { return free_[--free_count_]; }
  __device__ void replace(double*& slot, double* next) {
    if (slot != nullptr) free_[free_count_++] = slot;
    slot = next;
  }

  // M = scale (A + A^T) / 2
  __device__ void load(const float* a, double scale, double* m) const {
    const int n = shape_.n, stride = shape_.stride();
    for (int j = team_.rank(); j < stride; j += team_.size()) {
#pragma unroll 4
      for (int i = 0; i < shape_.rows(); ++i) {
        double mean = 0;
        if (i < n && j < n) {
          mean = 0.5 * (scale * static_cast<double>(a[static_cast<std::int64_t>(i) * n + j]) +
                        scale * static_cast<double>(a[static_cast<std::int64_t>(j) * n + i]));
        }
        m[static_cast<std::int64_t>(i) * stride + j] = mean;
      }
    }
    team_.sync();
  }

  // result = product M + identity I; this thread's share of |result - I|_F^2.
  __device__ double combine(const double* m, double product, double identity, double* result) const {
    const int stride = shape_.stride();
    double square = 0;
    team_.sync();
    for (int j = team_.rank(); j < stride; j += team_.size()) {
#pragma unroll 4
      for (int i = 0; i < shape_.rows(); ++i) {
        const double one = i == j && i < shape_.n ? 1 : 0;
        const std::int64_t at = static_cast<std::int64_t>(i) * stride + j;
        const double value = product * m[at] + identity * one;
        result[at] = value;
        square += (value - one) * (value - one);
      }
    }
    return square;
  }

  __device__ double add(double square) const {
    team_.sync();
    shared_.vectors.squares[team_.rank()] = square;
    return team_.sum(team_.size(), [&](int i) { return shared_.vectors.squares[i]; });
  }

  // x_ = (A + shift I)^(-1/p) / bound for A in m, whose spectrum is thought to begin at `lower` when divided by bound.
  // It may begin below: the iteration takes longer then, and does not end where it begins below 0.
  __device__ bool iterate(double* m, double shift, double bound, double lower) {
    double square = combine(m, 1 / bound, shift / bound, m);
#pragma unroll 1
    for (int iteration = 0; iteration < most_iterations; ++iteration) {
      square = add(square);
      if (!(square <= 1.5 * shape_.n)) return false;  // eigenvalues in [0, 1] are no further from 1 than 1
      const bool last = square <= nearly * nearly;
      const double q = pow(lower, 1.0 / p_);
      const double s = last || !(lower < 1 - 1e-9) ? 1 : (p_ + 1) * (1 - q) / (1 - q * lower);
      Product products[most_products];
      int count = 0;
      improve(m, s, products, count);
      if (!last) advance(m, s, products, count);
#pragma unroll 1
      for (int i = 0; i < count; ++i) square = multiply(shape_, products[i]);
      if (last) return true;
      const double x = s * lower;
      lower = x;
      for (int i = 0; i < p_; ++i) lower *= (p_ + 1 - x) / p_;
    }
    return false;
  }

  // X <- s^(1/p) X T
  __device__ void improve(const double* m, double s, Product* products, int& count) {
    const double factor = pow(s, 1.0 / p_);
    const double identity = factor * (p_ + 1) / p_, product = -factor * s / p_;
    double* const next = claim();
    if (x_ == nullptr) {
      combine(m, product, identity, next);
    } else {
      products[count++] = {next, x_, m, x_, product, identity, 0};
    }
    replace(x_, next);
  }

  // M <- s T^p M by binary powers, the last of the products; T itself is never written: X T, T^2 and T M come from X M
  // and M^2.
  __device__ void advance(double*& m, double s, Product* products, int& count) {
    const double identity = static_cast<double>(p_ + 1) / p_, product = -s / p_;
    double *power = nullptr, *result = nullptr, *former = m;  // T and M, as long as they are null
    for (int bits = p_;; bits /= 2) {
      const double factor = bits == 1 ? s : 1;
      if (bits % 2 != 0) {
        double* const next = claim();
        products[count++] = power == nullptr
                                ? Product{next, m, m, m, factor * product, factor * identity, 0}
                                : Product{next, power, result == nullptr ? m : result, nullptr, factor, 0, 0};
        replace(result, next);
        if (power != nullptr) replace(former, nullptr);
      }
      if (bits == 1) break;
      double* const next = claim();
      products[count++] = power == nullptr
                              ? Product{next, m, m, m, product * product, 2 * product * identity, identity * identity}
                              : Product{next, power, power, nullptr, 1, 0, 0};
      replace(power, next);
      if (result != nullptr) replace(former, nullptr);
    }
    replace(power, nullptr);
    replace(former, nullptr);
    m = result;
  }

  // The root, its unit that of the matrix.
  __device__ void store(double factor) const {
    auto* const result = static_cast<float*>(item_.result);
    const int n = shape_.n;
    for (int j = team_.rank(); j < n; j += team_.size()) {
#pragma unroll 4
      for (int i = 0; i < n; ++i) {
        const double value = factor * x_[static_cast<std::int64_t>(i) * shape_.stride() + j];
        result[static_cast<std::int64_t>(i) * n + j] = static_cast<float>(value);
      }
    }
  }

  const BlockTeam& team_;
  const RootItem& item_;
  SquareShape shape_;
  int p_;
  NewtonShared& shared_;
  double* free_[newton_slots];
  int free_count_;
  double* x_ = nullptr;
};

}  // namespace optim::cuda
