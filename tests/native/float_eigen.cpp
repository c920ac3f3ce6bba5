#include "float_eigen.h"

#include <algorithm>
#include <cmath>

namespace optim_test {

Values float_eigen_root(const Values& a, int p, float ridge) {
  const auto n = static_cast<size_t>(std::llround(std::sqrt(static_cast<double>(a.size()))));
  std::vector<float> m(n * n), q(n * n, 0.0f);  // eigenvectors are the rows of q
  for (size_t i = 0; i < n; ++i) {
    q[i * n + i] = 1;
    for (size_t j = 0; j < n; ++j)
      m[i * n + j] = 0.5f * (static_cast<float>(a[i * n + j]) + static_cast<float>(a[j * n + i]));
  }
  for (bool turned = true; turned;) {
    turned = false;
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = i + 1; j < n; ++j) {
        const float off = m[i * n + j], first = m[i * n + i], second = m[j * n + j];
        if (std::fabs(off) <= 6e-8f * std::sqrt(std::fabs(first * second)) || std::fabs(off) < 1e-30f) continue;
        turned = true;
        const float ratio = (second - first) / (2 * off);
        const float t = (ratio < 0 ? -1.0f : 1.0f) / (std::fabs(ratio) + std::sqrt(ratio * ratio + 1));
        const float c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (size_t k = 0; k < n; ++k) {
          const float mi = m[i * n + k], mj = m[j * n + k], qi = q[i * n + k], qj = q[j * n + k];
          m[i * n + k] = c * mi - s * mj;
          m[j * n + k] = s * mi + c * mj;
          q[i * n + k] = c * qi - s * qj;
          q[j * n + k] = s * qi + c * qj;
        }
        for (size_t k = 0; k < n; ++k) {
          const float mi = m[k * n + i], mj = m[k * n + j];
          m[k * n + i] = c * mi - s * mj;
          m[k * n + j] = s * mi + c * mj;
        }
        m[i * n + j] = m[j * n + i] = 0;
      }
    }
  }
  float largest = 1e-16f;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, m[i * n + i]);
  Values result(n * n, 0.0);
  std::vector<float> scale(n);
  for (size_t k = 0; k < n; ++k) {
    scale[k] = std::pow(std::max(m[k * n + k], 0.0f) + ridge * largest, -1 / static_cast<float>(p));
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      float sum = 0;
      for (size_t k = 0; k < n; ++k) sum += q[k * n + i] * scale[k] * q[k * n + j];
      result[i * n + j] = sum;
    }
  }
  return result;
}

}  // namespace optim_test
