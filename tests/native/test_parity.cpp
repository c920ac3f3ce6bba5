// Every rule on every device, in every mixture of storage types and layout, against the double run of the CPU engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "helper_settings.h"
#include "session.h"

namespace optim_test {
namespace {

struct Mixture {
  int32_t param, grad, state;
  std::string name() const { return std::string(dtype_name(param)) + "/" + dtype_name(grad) + "/" + dtype_name(state); }
};

std::vector<Mixture> mixtures() {
  std::vector<Mixture> all{{OPTIM_F64, OPTIM_F64, OPTIM_F64}};
  for (int32_t param : {OPTIM_F32, OPTIM_F16, OPTIM_BF16}) {
    for (int32_t grad : {OPTIM_F32, OPTIM_F16, OPTIM_BF16}) {
      for (int32_t state : {OPTIM_F32, OPTIM_F16, OPTIM_BF16}) all.push_back({param, grad, state});
    }
  }
  return all;
}

// Large steps, so that an error in the update is large beside the rounding of a 16-bit parameter, and statistics of a
// matrix rule that are well conditioned, so that rounding them says something about its roots.
std::vector<double> parity_row(const Rule& rule) {
  std::vector<double> row = with(rule, rule.defaults(), "lr", 0.2);
  row = with(rule, with(rule, row, "momentum", 0.9), "weight_decay", 0.1);
  return with(rule, row, "matrix_eps", 1.0);
}

PlanSpec spec_of(const Rule& rule, const std::vector<double>& row,
                 const Mixture& m = {OPTIM_F32, OPTIM_F32, OPTIM_F32}) {
  PlanSpec spec{rule.name, shapes_for(rule), {row}};
  spec.param = m.param;
  spec.grad = m.grad;
  spec.state = m.state;
  return spec;
}

// The same training in double on the CPU, from the numbers as the session has them after rounding.
class Reference {
 public:
  explicit Reference(Session& actual) : actual_(actual), session_(engine_, all_f64(row_major(actual.spec()))) {
    actual_.random_params();
    for (size_t i = 0; i < actual_.size(); ++i) {
      initial_.push_back(actual_.param(i));
      session_.set_param(i, initial_.back());
    }
    last_ = initial_;
    moved_.resize(actual_.size());
    actual_.init();
    session_.init();
  }

  void train(int64_t steps) {
    steps_ = static_cast<double>(steps);
    for (int64_t s = 1; s <= steps; ++s) {
      actual_.random_grads(static_cast<uint64_t>(s));
      for (size_t i = 0; i < actual_.size(); ++i) session_.set_grad(i, actual_.grad(i));
      session_.copy_inputs(actual_);
      actual_.step();
      session_.step();
      keep_largest_norms();
      keep_distances();
    }
  }

  // What storage rounds: a parameter and each state once a step. What float arithmetic adds is of the order of the
  // floors of the golden tests. A state's error reaches the parameter through the distance it moved, and through a
  // matrix root multiplied by its condition. States are measured against the largest they were, since averages of
  // numbers of both signs may happen to cancel in the last step.
  void compare() const {
    const PlanSpec& spec = actual_.spec();
    const bool matrix = find_rule(spec.rule)->shape == "matrix";
    const bool in_double = spec.param == OPTIM_F64;
    const double floor = in_double ? 1e-12 : matrix ? 4e-5 : 4e-6;
    const double condition = matrix ? 30 : 1;
    const bool states_hold_params = spec.helpers.lookahead_k > 0;
    const double u_state = roundoff(spec.state);
    const double u_param = std::max(roundoff(spec.param), states_hold_params ? u_state : 0);
    for (size_t i = 0; i < actual_.size(); ++i) {
      const Values expected = session_.param(i);
      EXPECT_LE(distance(actual_.param(i), expected),
                (floor + 2 * steps_ * u_param) * (norm(expected) + norm(initial_[i])) +
                    4 * steps_ * u_state * condition * moved_[i])
          << "parameter " << i << " of shape " << to_string(spec.tensors[i].shape) << " with norm " << norm(expected);
      for (size_t s = 0; s < actual_.slots(i).size(); ++s) {
        const Values state = session_.state(i, s);
        const double subnormal =
            spec.state == OPTIM_F16 ? steps_ * 0x1p-24 * std::sqrt(static_cast<double>(state.size())) : 0;
        EXPECT_LE(distance(actual_.state(i, s), state),
                  (2 * floor + 4 * steps_ * std::max(u_param, u_state)) * condition * largest_[i][s] + subnormal)
            << "state " << actual_.slots(i)[s].name << " of tensor " << i << " of shape "
            << to_string(spec.tensors[i].shape) << " with norm " << norm(state);
      }
    }
  }

 private:
  void keep_largest_norms() {
    largest_.resize(session_.size());
    for (size_t i = 0; i < session_.size(); ++i) {
      largest_[i].resize(session_.slots(i).size());
      for (size_t s = 0; s < largest_[i].size(); ++s) {
        largest_[i][s] = std::max(largest_[i][s], norm(session_.state(i, s)));
      }
      const int slow = session_.slot(i, "slow_momentum");
      const int first = session_.slot(i, slot_of_role(*find_rule(session_.spec().rule), "first_moment"));
      if (slow >= 0 && first >= 0) {  // what it averages
        double& scale = largest_[i][static_cast<size_t>(slow)];
        scale = std::max(scale, largest_[i][static_cast<size_t>(first)]);
      }
    }
  }

  // Along the way, which may lead back to where it began.
  void keep_distances() {
    for (size_t i = 0; i < session_.size(); ++i) {
      const Values param = session_.param(i);
      moved_[i] += distance(param, last_[i]);
      last_[i] = param;
    }
  }

  static PlanSpec row_major(PlanSpec spec) {
    for (TensorSpec& t : spec.tensors) t.strides.clear();
    spec.offset = 0;
    return spec;
  }

  Engine engine_{OPTIM_CPU};
  Session& actual_;
  Session session_;
  std::vector<Values> initial_, last_;
  std::vector<double> moved_;                 // distance that each parameter made in all steps
  std::vector<std::vector<double>> largest_;  // norm of each state of each tensor over the steps
  double steps_ = 0;
};

class Parity : public PerRule {
 protected:
  void agree_with_double(const PlanSpec& spec, int64_t steps = 3) {
    Session session(engine_, spec);
    Reference reference(session);
    reference.train(steps);
    reference.compare();
  }

  Engine engine_{device()};
};

TEST_P(Parity, StorageMixtures) {
  int64_t offset = 0;
  for (const Mixture& mixture : mixtures()) {
    for (bool helpers : {false, true}) {
      // The stand-in for a GPU is slow, so there half of the combinations must do: every mixture, and both of every
      // dtype.
      if (device() == OPTIM_CUDA && (offset / 2) % 2 != static_cast<int64_t>(helpers)) {
        ++offset;
        continue;
      }
      SCOPED_TRACE(mixture.name() + (helpers ? " with all helpers" : ""));
      PlanSpec spec = spec_of(rule(), parity_row(rule()), mixture);
      // The square of a small gradient is 0 in f16, so there what divides by its root needs something added to it.
      if (mixture.state == OPTIM_F16) spec.hypers[0] = with(rule(), spec.hypers[0], "eps", 0.1);
      if (helpers) spec.helpers = all_helpers(rule()).helpers;
      spec.offset = offset++ % 4;
      agree_with_double(spec);
    }
  }
}

TEST_P(Parity, EveryVariant) {
  for (const Variant& variant : accepted_variants(engine_, rule())) {
    SCOPED_TRACE(variant.name);
    agree_with_double(spec_of(rule(), with(rule(), variant.hypers, "matrix_eps", 1.0)));
  }
}

TEST_P(Parity, EveryHelper) {
  for (const HelperSetting& helper : single_helpers(rule())) {
    SCOPED_TRACE(helper.name);
    PlanSpec spec = spec_of(rule(), parity_row(rule()));
    spec.helpers = helper.helpers;
    agree_with_double(spec);
  }
}

TEST_P(Parity, ManySmallTensors) {
  PlanSpec spec = spec_of(rule(), parity_row(rule()));
  spec.tensors.clear();
  for (int64_t i = 0; i < 300; ++i)
    spec.tensors.push_back(i % 3 == 0 ? TensorSpec{{1 + i % 5, 3}} : TensorSpec{{1 + i % 13}});
  agree_with_double(spec, 2);
}

// So long that the sums of a row are themselves summed in several pieces. What elementwise rules have summed is the
// same for all of them, so one stands for them.
TEST_P(Parity, LongRows) {
  const auto elementwise = [](const Rule& r) { return r.shape == "elementwise"; };
  if (elementwise(rule()) && rule().name != std::find_if(rules().begin(), rules().end(), elementwise)->name) return;
  PlanSpec spec = spec_of(rule(), parity_row(rule()));
  spec.helpers = all_helpers(rule()).helpers;
  spec.tensors = {{{2, 530003}}};
  if (rule().shape == "matrix") spec.tensors = {{device() == OPTIM_CPU ? Shape{256, 3} : Shape{70, 65}}};
  agree_with_double(spec, 1);
}

TEST_P(Parity, ChannelsLast) {
  for (const Mixture& mixture : {Mixture{OPTIM_F64, OPTIM_F64, OPTIM_F64}, Mixture{OPTIM_F32, OPTIM_BF16, OPTIM_F32}}) {
    for (bool helpers : {false, true}) {
      SCOPED_TRACE(mixture.name() + (helpers ? " with all helpers" : ""));
      PlanSpec spec = spec_of(rule(), parity_row(rule()), mixture);
      if (helpers) spec.helpers = all_helpers(rule()).helpers;
      spec.tensors = {{{4, 3, 5}}, {{3, 2, 3, 3}}, {{2, 3, 2, 2, 2}}, {{5, 8, 4, 4}}};
      for (TensorSpec& t : spec.tensors) t.strides = channels_last(t.shape);
      // A rule that takes dimensions for those of matrices or kernels may ask for row-major tensors, but has to say so.
      optim_plan* plan = nullptr;
      const optim_status status = create_plan(engine_, spec, &plan);
      optim_plan_free(plan);
      if (status == OPTIM_UNSUPPORTED) {
        EXPECT_NE(std::string(optim_last_error()).find("row-major"), std::string::npos) << optim_last_error();
        continue;
      }
      agree_with_double(spec);
    }
  }
}

// Where a buffer begins decides which loads are wide, never the result.
TEST_P(Parity, AlignmentDoesNotMatter) {
  for (const Mixture& mixture : {Mixture{OPTIM_F32, OPTIM_F32, OPTIM_F32}, Mixture{OPTIM_BF16, OPTIM_F16, OPTIM_F32},
                                 Mixture{OPTIM_F64, OPTIM_F64, OPTIM_F64}}) {
    SCOPED_TRACE(mixture.name());
    std::vector<Snapshot> results;
    for (int64_t offset : {0, 1, 3}) {
      PlanSpec spec = spec_of(rule(), parity_row(rule()), mixture);
      spec.helpers = all_helpers(rule()).helpers;
      spec.offset = offset;
      Session session(engine_, spec);
      session.start();
      session.train(1, 2);
      results.push_back(session.snapshot());
    }
    EXPECT_TRUE(equal(results[0], results[1])) << "one element off";
    EXPECT_TRUE(equal(results[0], results[2])) << "three elements off";
  }
}

OPTIM_TEST_PER_RULE(Parity);

// ---- CPU against CUDA
// ------------------------------------------------------------------------------------------------

class CpuAgainstCuda : public PerRule {
 protected:
  // Whether all the rule remembers is one number per element, so that nothing is summed.
  static bool purely_elementwise(const Session& session) {
    if (find_rule(session.spec().rule)->shape != "elementwise") return false;
    for (size_t i = 0; i < session.size(); ++i) {
      for (const auto& slot : session.slots(i)) {
        if (slot.shape != session.spec().tensors[i].shape) return false;
      }
    }
    return true;
  }

  void agree(const PlanSpec& spec) {
    Session cpu(cpu_, spec);
    Session cuda(cuda_, spec);
    for (Session* session : {&cpu, &cuda}) {
      session->start();
      session->train(1, 4);
    }
    if (purely_elementwise(cpu)) {
      EXPECT_TRUE(equal(cpu.snapshot(), cuda.snapshot()));
      return;
    }
    const double floor = rule().shape == "matrix" ? 4e-5 : 4e-6;
    for (size_t i = 0; i < cpu.size(); ++i) {
      const Values expected = cpu.param(i);
      EXPECT_LE(distance(cuda.param(i), expected), floor * norm(expected)) << "parameter " << i;
    }
  }

  Engine cpu_{OPTIM_CPU};
  Engine cuda_{OPTIM_CUDA};
};

TEST_P(CpuAgainstCuda, EveryVariant) {
  for (const Variant& variant : accepted_variants(cpu_, rule())) {
    SCOPED_TRACE(variant.name);
    agree(spec_of(rule(), with(rule(), variant.hypers, "matrix_eps", 1.0)));
  }
}

TEST_P(CpuAgainstCuda, StorageMixturesOfElementwiseRules) {
  if (rule().shape != "elementwise") return;
  for (const Mixture& mixture : mixtures()) {
    SCOPED_TRACE(mixture.name());
    agree(spec_of(rule(), without_own_helpers(rule(), parity_row(rule())), mixture));
  }
}

TEST_P(CpuAgainstCuda, StochasticRoundingOfElementwiseRules) {
  if (rule().shape != "elementwise") return;
  PlanSpec spec = spec_of(rule(), without_own_helpers(rule(), parity_row(rule())), {OPTIM_BF16, OPTIM_F16, OPTIM_F32});
  spec.stochastic_rounding = true;
  spec.rounding_seed = 11;
  agree(spec);
}

// Without a device there is nothing to compare with.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuAgainstCuda);
INSTANTIATE_TEST_SUITE_P(Native, CpuAgainstCuda, testing::ValuesIn(rules_on(OPTIM_CUDA)), name_of_rule);

}  // namespace
}  // namespace optim_test
