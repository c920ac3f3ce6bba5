// Compiles the kernels of one rule, for float and for double, and exports the table of them. Included by one generated
// file per rule.
#pragma once

#include "core/rule.h"
#include "engine/cuda/check.h"
#include "engine/cuda/matrix.cuh"
#include "engine/cuda/reduced.cuh"
#include "engine/cuda/rule_table.h"
#include "engine/cuda/update.cuh"

namespace optim::cuda {

inline void start(const LaunchOn& on, void (*kernel)(PassArguments), std::size_t shared_bytes,
                  const PassArguments& arguments, const char* what) {
  const std::size_t rows = static_cast<std::size_t>(arguments.rows_per_tile) * sizeof(RowMap);
  check(launch(on.stream, kernel, dim3(static_cast<unsigned>(on.blocks)), dim3(block_threads), shared_bytes + rows,
               arguments),
        what);
}

template <class Rule, class T, bool Initializes = false>
struct StartElements {
  static void update(const LaunchOn& on, const PassArguments& arguments) {
    start(on, &cuda::update<Rule, T>, 0, arguments, "update");
  }
  static void direct(const LaunchOn& on, const PassArguments& arguments) {
    start(on, &cuda::direct<Rule, T>, 0, arguments, "direct");
  }
  static void measure(const LaunchOn& on, const PassArguments& arguments) {
    start(on, &cuda::measure<Rule, T>, 0, arguments, "measure");
  }
  static void gather(const LaunchOn& on, const PassArguments& arguments) {
    start(on, &cuda::gather<Rule, T, Initializes>, runs_bytes<Rule>(arguments.tiling.grouped), arguments, "gather");
  }
  static void apply(const LaunchOn& on, const PassArguments& arguments) {
    start(on, &cuda::apply<Rule, T, Initializes>, 0, arguments, "apply");
  }
  static void prepare(cudaStream_t stream, CohortEntry* cohorts, const GroupSettings* groups, std::int32_t count) {
    check(launch(stream, &cuda::prepare<Rule, T>, dim3(1), dim3(block_threads), 0, cohorts, groups, count), "prepare");
  }
};

template <class Rule, bool Initializes>
constexpr CudaReduction cuda_reduction() {
  using InFloat = StartElements<Rule, float, Initializes>;
  using InDouble = StartElements<Rule, double, Initializes>;
  CudaReduction table{};
  if constexpr (has_measure<Rule>) {
    table.gather[0] = &InFloat::measure;
    table.gather[1] = &InDouble::measure;
  } else {
    table.gather[0] = &InFloat::gather;
    table.gather[1] = &InDouble::gather;
    table.apply[0] = &InFloat::apply;
    table.apply[1] = &InDouble::apply;
  }
  table.factors_size[0] = sizeof(typename Rule::template Factors<float>);
  table.factors_size[1] = sizeof(typename Rule::template Factors<double>);
  return table;
}

template <class Rule>
constexpr CudaRule cuda_rule() {
  using InFloat = StartElements<Rule, float>;
  using InDouble = StartElements<Rule, double>;
  CudaRule table{};
  table.prepare[0] = &InFloat::prepare;
  table.prepare[1] = &InDouble::prepare;
  if constexpr (!is_reduced<Rule>) {
    table.update[0] = &InFloat::update;
    table.update[1] = &InDouble::update;
  }
  if constexpr (is_matrix<Rule>) {
    table.direct[0] = &InFloat::direct;
    table.direct[1] = &InDouble::direct;
  }
  if constexpr (is_reduced<Rule> || has_measure<Rule>) table.reduction = cuda_reduction<Rule, false>();
  if constexpr (has_init<Rule>) table.init = cuda_reduction<typename Rule::init, true>();
  return table;
}

#define OPTIM_CUDA_RULE(NAME)                                 \
  namespace optim::cuda {                                     \
  extern const CudaRule cuda_rule_##NAME;                     \
  const CudaRule cuda_rule_##NAME = cuda_rule<rules::NAME>(); \
  }

}  // namespace optim::cuda
