// Compiles the kernels of one rule, for float and for double, and exports the table of them. Included by one generated
// file per rule.
#pragma once

#include "core/rule.h"
#include "engine/cuda/begin.cuh"
#include "engine/cuda/check.h"
#include "engine/cuda/matrix.cuh"
#include "engine/cuda/rule_table.h"
#include "engine/cuda/update.cuh"

namespace optim::cuda {

template <class Arguments>
void start(const LaunchOn& on, void (*kernel)(Arguments), std::size_t shared_bytes, const Arguments& arguments,
           const char* what) {
  if (on.blocks == 0) return;
  check(launch(on.stream, kernel, dim3(static_cast<unsigned>(on.blocks)), dim3(block_threads), shared_bytes, arguments),
        what);
}

template <class Rule, class T>
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
    const std::size_t runs = arguments.tiling.grouped ? 2 * block_threads * sizeof(RuleSums<Rule>) : 0;
    start(on, &cuda::gather<Rule, T>, runs, arguments, "gather");
  }
  static void finish(const LaunchOn& on, const PassArguments& arguments) {
    start(on, &cuda::finish<Rule, T>, 0, arguments, "finish");
  }
  static void apply(const LaunchOn& on, const PassArguments& arguments) {
    start(on, &cuda::apply<Rule, T>, 0, arguments, "apply");
  }
};

template <class Rule>
struct StartSums {
  static void fold(const LaunchOn& on, const PassArguments& arguments) {
    using V = RuleSums<Rule>;
    if (!arguments.tiling.split) return;
    check(launch(on.stream, &cuda::fold<V>, dim3(static_cast<unsigned>(on.blocks)), dim3(block_threads), 0,
                 arguments.step.state, arguments.tiling, reinterpret_cast<V*>(arguments.reduced.partials)),
          "fold");
  }
  static void close_units(const LaunchOn& on, const PassArguments& arguments) {
    start(on, &cuda::close_units<Rule>, 0, arguments, "close_units");
  }
  static void close_tensors(const LaunchOn& on, const PassArguments& arguments) {
    start(on, &cuda::close_tensors<Rule>, 0, arguments, "close_tensors");
  }
  static void close_all(const LaunchOn& on, const PassArguments& arguments) {
    start(on, &cuda::close_all<Rule>, 0, arguments, "close_all");
  }
};

template <class Rule>
constexpr CudaReduction cuda_reduction() {
  using InFloat = StartElements<Rule, float>;
  using InDouble = StartElements<Rule, double>;
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
  table.finish[0] = &InFloat::finish;
  table.finish[1] = &InDouble::finish;
  table.fold = &StartSums<Rule>::fold;
  table.close_units = &StartSums<Rule>::close_units;
  table.close_tensors = &StartSums<Rule>::close_tensors;
  if constexpr (scope_of<Rule>() == Scope::all) table.close_all = &StartSums<Rule>::close_all;
  table.factors_size[0] = sizeof(typename Rule::template Factors<float>);
  table.factors_size[1] = sizeof(typename Rule::template Factors<double>);
  return table;
}

template <class Rule>
constexpr CudaRule cuda_rule() {
  CudaRule table{};
  table.begin = [](const LaunchOn& on, const BeginArguments& arguments) {
    start(on, &cuda::begin<Rule>, 0, arguments, "begin");
  };
  if constexpr (has_update<Rule> || has_measure<Rule>) {
    table.update[0] = &StartElements<Rule, float>::update;
    table.update[1] = &StartElements<Rule, double>::update;
  }
  if constexpr (is_matrix<Rule>) {
    table.direct[0] = &StartElements<Rule, float>::direct;
    table.direct[1] = &StartElements<Rule, double>::direct;
    table.mark_due = [](const LaunchOn& on, const PassArguments& arguments) {
      start(on, &cuda::mark_due<Rule>, 0, arguments, "mark_due");
    };
  }
  if constexpr (is_reduced<Rule> || has_measure<Rule>) table.reduction = cuda_reduction<Rule>();
  if constexpr (has_init<Rule>) table.init = cuda_reduction<typename Rule::init>();
  return table;
}

#define OPTIM_CUDA_RULE(NAME)                                 \
  namespace optim::cuda {                                     \
  extern const CudaRule cuda_rule_##NAME;                     \
  const CudaRule cuda_rule_##NAME = cuda_rule<rules::NAME>(); \
  }

}  // namespace optim::cuda
