// Matrices on a device with their roots, and matrices whose roots are known.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "list_functions.h"

namespace optim_test {

inline int64_t order(const Values& matrix) { return std::llround(std::sqrt(static_cast<double>(matrix.size()))); }

// Matrices on a device and room for their roots, which start as 5 everywhere.
class Batch {
 public:
  Batch(Engine& engine, const std::vector<Values>& matrices, int32_t dtype)
      : engine_(engine),
        matrices_(engine, shapes(matrices), dtype),
        roots_(engine, shapes(matrices), dtype),
        errors_(engine, OPTIM_F64, static_cast<int64_t>(matrices.size())),
        counts_(engine, OPTIM_F64, OPTIM_ROOT_COUNTS) {
    matrices_.write(matrices);
    before_ = matrices_.bytes();
    std::vector<Values> fives;
    for (const Values& matrix : matrices) fives.emplace_back(matrix.size(), 5.0);
    roots_.write(fives);
    errors_.write(Values(matrices.size(), 7.0));
    counts_.write(Values(OPTIM_ROOT_COUNTS, 0.0));  // bits of integers that are 0
  }
  ~Batch() { EXPECT_EQ(matrices_.bytes(), before_) << "a matrix was written to"; }

  std::vector<Values> take(int32_t p, double ridge) {
    check(optim_inverse_root(engine_, matrices_.count(), matrices_.views(), roots_.views(), p, ridge, counter()));
    return roots_.values();
  }
  std::vector<Values> iterate(int32_t p, int32_t iterations, double tolerance) {
    check(optim_coupled_newton(engine_, matrices_.count(), matrices_.views(), roots_.views(), p, iterations, tolerance,
                               static_cast<double*>(errors_.data()), counter()));
    return roots_.values();
  }
  Values errors() const { return errors_.values(); }
  uint64_t count(int index) const {
    const Bytes bytes = counts_.bytes();
    uint64_t value;
    std::memcpy(&value, bytes.data() + static_cast<size_t>(index) * sizeof value, sizeof value);
    return value;
  }

  TensorList& matrices() { return matrices_; }
  TensorList& roots() { return roots_; }
  uint64_t* counter() { return static_cast<uint64_t*>(counts_.data()); }

 private:
  static std::vector<Shape> shapes(const std::vector<Values>& matrices) {
    std::vector<Shape> result;
    for (const Values& matrix : matrices) result.push_back({order(matrix), order(matrix)});
    return result;
  }

  Engine& engine_;
  TensorList matrices_, roots_;
  Buffer errors_, counts_;
  std::vector<Bytes> before_;
};

// Diagonal matrices turned by one reflection, and their roots: H D H with H = I - 2 v v^T / v^T v.
struct Turned {
  Values lambda, v;

  Turned(uint64_t seed, int n, double condition) : v(random_values(seed, n)) {
    for (int i = 0; i < n; ++i)
      lambda.push_back(n == 1 ? 2.5 : 3 * std::pow(condition, -static_cast<double>(i) / (n - 1)));
  }
  template <class Function>
  Values of(const Function& f) const {
    const size_t n = v.size();
    const double square = norm(v) * norm(v);
    double middle = 0;
    for (size_t i = 0; i < n; ++i) middle += v[i] * v[i] * f(lambda[i]);
    Values result(n * n);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        result[i * n + j] = (i == j ? f(lambda[i]) : 0) - 2 * v[i] * v[j] * (f(lambda[i]) + f(lambda[j])) / square +
                            4 * v[i] * v[j] * middle / (square * square);
      }
    }
    return result;
  }
  Values matrix() const {
    return of([](double x) { return x; });
  }
};

}  // namespace optim_test
