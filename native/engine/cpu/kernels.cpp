#include "engine/cpu/kernels.h"

#include <cstdlib>
#include <string>

#include "core/error.h"
#include "optim_isas.h"

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

bool processor_runs(const std::string& isa) {
#if defined(__x86_64__)
  if (isa == "v4") {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  }
  if (isa == "v3") {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
  }
  if (isa == "v2") return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
#endif
  return isa == "plain";
}

int best_isa() {
  for (int isa = 0; isa < isa_count; ++isa) {
    if (processor_runs(isa_names[isa])) return isa;
  }
  throw Error(Status::unsupported, message("this processor lacks x86-64-", isa_names[isa_count - 1],
                                           ", the least that the CPU engine was compiled for"));
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
