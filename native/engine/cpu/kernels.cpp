#include "engine/cpu/kernels.h"

#include <cstdlib>
#include <string>

#include "core/error.h"

// Best first; cmake/isa.cmake compiles the same list.
#if defined(__x86_64__)
#define OPTIM_FOR_EACH_ISA(WHAT, NAME) WHAT(NAME, v4) WHAT(NAME, v3) WHAT(NAME, v2)
#else
#define OPTIM_FOR_EACH_ISA(WHAT, NAME) WHAT(NAME, plain)
#endif

namespace optim::cpu {

#define OPTIM_DECLARE_GENERIC(NAME, ISA) extern const GenericKernels NAME##_kernels_##ISA;
#define OPTIM_DECLARE_MATRIX(NAME, ISA) extern const MatrixKernels NAME##_kernels_##ISA;
#define OPTIM_DECLARE_RULE(NAME, ISA) extern const RuleKernels kernels_##NAME##_##ISA;
#define OPTIM_ADDRESS_GENERIC(NAME, ISA) &NAME##_kernels_##ISA,
#define OPTIM_ADDRESS_RULE(NAME, ISA) &kernels_##NAME##_##ISA,
#define OPTIM_ISA_NAME(NAME, ISA) #ISA,

OPTIM_FOR_EACH_ISA(OPTIM_DECLARE_GENERIC, generic)
OPTIM_FOR_EACH_ISA(OPTIM_DECLARE_MATRIX, matrix)
#define OPTIM_RULE(NAME) OPTIM_FOR_EACH_ISA(OPTIM_DECLARE_RULE, NAME)
#include "optim_rules.inc"
#undef OPTIM_RULE

namespace {

const char* const isa_names[] = {OPTIM_FOR_EACH_ISA(OPTIM_ISA_NAME, )};
constexpr int isa_count = sizeof(isa_names) / sizeof(isa_names[0]);
const GenericKernels* const generic_tables[isa_count] = {OPTIM_FOR_EACH_ISA(OPTIM_ADDRESS_GENERIC, generic)};
const MatrixKernels* const matrix_tables[isa_count] = {OPTIM_FOR_EACH_ISA(OPTIM_ADDRESS_GENERIC, matrix)};
const RuleKernels* const rule_tables[][isa_count] = {
#define OPTIM_RULE(NAME) {OPTIM_FOR_EACH_ISA(OPTIM_ADDRESS_RULE, NAME)},
#include "optim_rules.inc"
#undef OPTIM_RULE
};

int best_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return 0;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
      __builtin_cpu_supports("bmi2")) {
    return 1;
  }
  if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt")) {
    throw Error(Status::unsupported, "this processor lacks x86-64-v2 (SSE4.2), which the CPU engine needs");
  }
  return 2;
#else
  return 0;
#endif
}

}  // namespace

Kernels Kernels::for_this_processor() {
  const int best = best_isa();
  const char* const wanted = std::getenv("OPTIM_CPU_ISA");
  if (wanted == nullptr || *wanted == '\0') return Kernels(best);
  std::string allowed;
  for (int isa = best; isa < isa_count; ++isa) {
    if (std::string(wanted) == isa_names[isa]) return Kernels(isa);
    allowed += message(isa == best ? "" : ", ", isa_names[isa]);
  }
  invalid("OPTIM_CPU_ISA is \"", wanted, "\"; this processor runs ", allowed);
}

const char* Kernels::instruction_set() const { return isa_names[isa_]; }
const GenericKernels& Kernels::generic() const { return *generic_tables[isa_]; }
const MatrixKernels& Kernels::matrix() const { return *matrix_tables[isa_]; }
const RuleKernels& Kernels::rule(int index) const { return *rule_tables[index][isa_]; }

}  // namespace optim::cpu
