// What the subjects of optim_fuzz share: random numbers, and the checks of tests/native.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "fixture.h"

namespace optim_fuzz {

using namespace optim_test;  // NOLINT(google-build-using-namespace): the harnesses are tests

// splitmix64, so that a seed means the same case everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  int64_t between(int64_t low, int64_t high) {  // both included
    return low + static_cast<int64_t>(next() % static_cast<uint64_t>(high - low + 1));
  }
  double real(double low, double high) { return low + (high - low) * (static_cast<double>(next() >> 11) * 0x1p-53); }
  bool chance(double probability) { return real(0, 1) < probability; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<size_t>(between(0, static_cast<int64_t>(from.size()) - 1))];
  }

 private:
  uint64_t state_;
};

struct Settings {
  int32_t threads = 4;  // of the engine that is compared with one of a single thread
};

// One random case. What is wrong is told as a GoogleTest failure or an exception.
using Case = void (*)(Random& random, const Settings& settings);

struct Subject {
  const char* name;
  Case run;
};

void lists(Random& random, const Settings& settings);
void pcgrad(Random& random, const Settings& settings);  // a part of scaler
void plans(Random& random, const Settings& settings);
void scaler(Random& random, const Settings& settings);
void schedules(Random& random, const Settings& settings);

}  // namespace optim_fuzz
