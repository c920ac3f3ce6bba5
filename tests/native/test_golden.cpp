// Every golden case on every device in both arithmetics, within the tolerances that the specification gives.
#include <gtest/gtest.h>

#include "golden_case.h"
#include "sharpness.h"
#include "tolerances.h"

namespace optim_test {
namespace {

struct GoldenRun {
  size_t index;  // into golden_names()
  int32_t device;
  int32_t dtype;
};

std::ostream& operator<<(std::ostream& out, const GoldenRun& run) { return out << golden_names()[run.index]; }

std::vector<GoldenRun> golden_runs() {
  std::vector<size_t> built;
  for (size_t i = 0; i < golden_names().size(); ++i) {
    if (is_built(read_golden(golden_path(golden_names()[i])))) built.push_back(i);
  }
  std::vector<GoldenRun> runs;
  for (int32_t device : devices()) {
    for (int32_t dtype : {OPTIM_F32, OPTIM_F64}) {
      for (size_t i : built) runs.push_back({i, device, dtype});
    }
  }
  return runs;
}

std::string name_of_run(const testing::TestParamInfo<GoldenRun>& info) {
  const GoldenRun& run = info.param;
  return test_name(golden_names()[run.index] + "_" + device_name(run.device) + "_" + dtype_name(run.dtype));
}

bool same_shape(const Shape& a, const Shape& b) {
  // A single number may be stored with shape () or (1).
  return a == b || (numel(a) == 1 && numel(b) == 1);
}

class Golden : public testing::TestWithParam<GoldenRun> {
 protected:
  Golden()
      : file_(read_golden(golden_path(golden_names()[GetParam().index]))),
        tolerance_(GetParam().dtype == OPTIM_F32 ? Tolerance::float32(file_.name) : Tolerance::float64()),
        engine_(GetParam().device) {}

  void replay() {
    Session session(engine_, plan_of(file_, GetParam().dtype));
    const auto tensor = [](const char* kind, size_t i, const std::string& last) {
      return std::string(kind) + "." + std::to_string(i) + "." + last;
    };
    for (size_t i = 0; i < session.size(); ++i) session.set_param(i, file_.at(tensor("param", i, "init")).values);
    session.init();
    std::unique_ptr<Sharpness> sharpness;
    if (const std::vector<double> row = sharpness_of(file_); !row.empty()) {
      sharpness = std::make_unique<Sharpness>(engine_, session, std::vector<std::vector<double>>{row});
    }
    const auto set_grads = [&](const char* kind, const std::string& last) {
      for (size_t i = 0; i < session.size(); ++i) {
        const std::string name = tensor(kind, i, last);
        if (file_.has(name) == session.absent(i)) session.set_absent(i, !file_.has(name));
        if (file_.has(name)) session.set_grad(i, file_.at(name).values);
      }
    };
    for (int64_t step = 1; step <= file_.steps; ++step) {
      set_grads("grad", std::to_string(step));
      if (sharpness != nullptr) {
        sharpness->perturb();
        set_grads("aux", "grad2." + std::to_string(step));
        sharpness->restore();
      }
      give_inputs(session, step);
      session.step();
      for (size_t i = 0; i < session.size(); ++i) {
        const std::string name = tensor("param", i, std::to_string(step));
        if (!file_.has(name)) continue;
        const Values& expected = file_.at(name).values;
        EXPECT_LE(distance(session.param(i), expected),
                  tolerance_.param(expected, file_.at(tensor("param", i, "init")).values))
            << name << " has norm " << norm(expected);
      }
    }
    EXPECT_EQ(session.counter(), file_.steps);
    compare_states(session);
  }

  // The inputs of the rule that the file has for this step: of all tensors or of none.
  void give_inputs(Session& session, int64_t step) {
    const std::vector<std::string>& needs = needs_of(session.spec());
    bool given = false;
    for (size_t i = 0; i < session.size(); ++i) {
      for (size_t k = 0; k < needs.size(); ++k) {
        const std::string name = "aux." + std::to_string(i) + "." + needs[k] + "." + std::to_string(step);
        if (!file_.has(name)) continue;
        given = true;
        session.set_input(i, k, file_.at(name).values);
      }
    }
    if (!needs.empty()) session.give_inputs(given);
  }

  void compare_states(const Session& session) {
    const std::string last = "." + std::to_string(file_.steps);
    for (size_t i = 0; i < session.size(); ++i) {
      const std::string prefix = "state." + std::to_string(i) + ".";
      for (const auto& [name, expected] : file_.tensors) {
        if (name.compare(0, prefix.size(), prefix) != 0) continue;
        const std::string slot_name = name.substr(prefix.size(), name.size() - prefix.size() - last.size());
        const int slot = session.slot(i, slot_name);
        if (slot < 0 && is_conditional(session.spec(), slot_name)) {
          // An option leaves the state out; the reference then keeps it as it was in the beginning.
          const Values& init = file_.at("param." + std::to_string(i) + ".init").values;
          EXPECT_TRUE(norm(expected.values) == 0 || expected.values == init) << name;
          continue;
        }
        ASSERT_GE(slot, 0) << "the plan has no state " << slot_name;
        const Shape& shape = session.slots(i)[static_cast<size_t>(slot)].shape;
        EXPECT_TRUE(same_shape(shape, expected.shape)) << name << " has shape " << to_string(shape);
        EXPECT_LE(distance(session.state(i, static_cast<size_t>(slot)), expected.values),
                  tolerance_.state(expected.values))
            << name << " has norm " << norm(expected.values);
      }
    }
  }

  void call() {
    for (const auto& [name, actual] : run_direct(engine_, file_, GetParam().dtype)) {
      const Values& expected = file_.at(name).values;
      EXPECT_LE(distance(actual, expected), tolerance_.output(expected)) << name << " has norm " << norm(expected);
    }
  }

  GoldenFile file_;
  Tolerance tolerance_;
  Engine engine_;
};

TEST_P(Golden, Agrees) { file_.direct() ? call() : replay(); }

INSTANTIATE_TEST_SUITE_P(Native, Golden, testing::ValuesIn(golden_runs()), name_of_run);

// Dampening leaves out part of every gradient but the first that a tensor receives, which need not be that of step 1.
// (The cases are those of rules with that setting; nothing else in them may depend on the number of the step.)
TEST(GoldenLateStart, TheFirstGradientIsThatOfTheTensor) {
  int cases = 0;
  for (const std::string& name : golden_names()) {
    const GoldenFile file = read_golden(golden_path(name));
    if (file.hypers.value("dampening", 0.0) == 0 || !is_built(file)) continue;
    ++cases;
    for (int32_t device : devices()) {
      SCOPED_TRACE(name + " on " + device_name(device));
      Engine engine(device);
      Session session(engine, plan_of(file, OPTIM_F64));
      for (size_t i = 0; i < session.size(); ++i) {
        session.set_param(i, file.at("param." + std::to_string(i) + ".init").values);
        session.set_absent(i, true);
      }
      session.init();
      session.step();
      session.step();
      for (size_t i = 0; i < session.size(); ++i) session.set_absent(i, false);
      for (int64_t step = 1; step <= file.steps; ++step) {
        for (size_t i = 0; i < session.size(); ++i) {
          session.set_grad(i, file.at("grad." + std::to_string(i) + "." + std::to_string(step)).values);
        }
        session.step();
      }
      for (size_t i = 0; i < session.size(); ++i) {
        const std::string last = "param." + std::to_string(i) + "." + std::to_string(file.steps);
        const Values& expected = file.at(last).values;
        EXPECT_LE(distance(session.param(i), expected), Tolerance::float64().output(expected)) << last;
      }
    }
  }
  EXPECT_GT(cases, 0);
}

TEST(GoldenCoverage, EveryRegisteredRuleHasACase) {
  ASSERT_FALSE(rules().empty());
  for (const Rule& rule : rules()) {
    int cases = 0;
    for (const std::string& optimizer : golden_optimizers()) cases += is_about(optimizer, rule.name) ? 1 : 0;
    EXPECT_GT(cases, 0) << "no golden case for " << rule.name;
  }
}

}  // namespace
}  // namespace optim_test
