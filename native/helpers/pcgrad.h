// Gradient surgery, PCGrad (arXiv 2001.06782): the gradient of each task, over all parameters, is projected in a given
// order onto the normal plane of every other task's gradient that it conflicts with, and the results are added up. All
// of it is linear in the gradients, so their Gram matrix determines the coefficients, and one more pass forms the
// merged gradient.
#pragma once

#include <cstdint>

#include "core/config.h"

namespace optim {

constexpr int max_tasks = 64;

// Gram matrices are kept as their lower triangle, row by row.
OPTIM_FN constexpr int pair_count(int tasks) { return tasks * (tasks + 1) / 2; }
OPTIM_FN constexpr int pair_index(int a, int b) { return a >= b ? pair_count(a) + b : pair_count(b) + a; }

struct TaskPair {
  int a, b;
};

OPTIM_FN TaskPair pair_at(int index) {
  int a = 0;
  while (index > a) index -= ++a;
  return {a, index};
}

// What becomes of one task's gradient: the sum of coefficients[a] g_a. order: the other tasks.
OPTIM_FN void project(const double* gram, int tasks, int task, const std::int32_t* order, double* coefficients) {
  for (int a = 0; a < tasks; ++a) coefficients[a] = a == task ? 1 : 0;
  for (int k = 0; k + 1 < tasks; ++k) {
    const int other = order[k];
    double dot = 0;
    for (int a = 0; a < tasks; ++a) dot += coefficients[a] * gram[pair_index(a, other)];
    const double norm_sq = gram[pair_index(other, other)];
    if (dot < 0 && norm_sq > 0) coefficients[other] -= dot / norm_sq;
  }
}

// The weight of one task's gradient in the merged one. coefficients: of all tasks, [task][tasks].
OPTIM_FN double merged_weight(const double* coefficients, int tasks, int task) {
  double weight = 0;
  for (int i = 0; i < tasks; ++i) weight += coefficients[i * tasks + task];
  return weight;
}

}  // namespace optim
