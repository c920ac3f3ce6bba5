// Gradient surgery against the projections done one after the other.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "list_functions.h"
#include "misuse.h"

namespace optim_test {
namespace {

using Order = std::vector<int64_t>;  // [task][tasks - 1]

struct Merge {
  int64_t tasks;
  std::vector<Shape> shapes;
  std::vector<std::vector<Values>> grads;  // [task][tensor]
  std::vector<std::vector<bool>> absent;   // [task][tensor]
  Order order = {};                        // empty: ascending
  int32_t reduction = OPTIM_REDUCTION_SUM;
};

Values flattened(const Merge& merge, int64_t task) {
  Values all;
  for (size_t t = 0; t < merge.shapes.size(); ++t) {
    const auto i = static_cast<size_t>(task);
    Values grad = merge.grads[i][t];
    if (merge.absent[i][t]) std::fill(grad.begin(), grad.end(), 0.0);
    all.insert(all.end(), grad.begin(), grad.end());
  }
  return all;
}

double dot(const Values& a, const Values& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

// The definition, and how many projections it took.
std::vector<Values> projected(const Merge& merge, int* projections) {
  std::vector<Values> grads;
  for (int64_t i = 0; i < merge.tasks; ++i) grads.push_back(flattened(merge, i));
  Values sum(grads[0].size(), 0.0);
  *projections = 0;
  for (int64_t i = 0; i < merge.tasks; ++i) {
    Values u = grads[static_cast<size_t>(i)];
    for (int64_t k = 0; k + 1 < merge.tasks; ++k) {
      const int64_t ascending = k < i ? k : k + 1;
      const int64_t j = merge.order.empty() ? ascending : merge.order[static_cast<size_t>(i * (merge.tasks - 1) + k)];
      const Values& g = grads[static_cast<size_t>(j)];
      const double d = dot(u, g);
      if (d >= 0) continue;
      ++*projections;
      const double factor = d / dot(g, g);
      for (size_t e = 0; e < u.size(); ++e) u[e] -= factor * g[e];
    }
    for (size_t e = 0; e < u.size(); ++e) sum[e] += u[e];
  }
  std::vector<Values> merged;
  auto begin = sum.begin();
  for (size_t t = 0; t < merge.shapes.size(); ++t) {
    merged.emplace_back(begin, begin + numel(merge.shapes[t]));
    begin += numel(merge.shapes[t]);
    const bool shared =
        std::none_of(merge.absent.begin(), merge.absent.end(), [t](const auto& task) { return task[t]; });
    if (!shared || merge.reduction != OPTIM_REDUCTION_MEAN) continue;
    for (double& value : merged.back()) value /= static_cast<double>(merge.tasks);
  }
  return merged;
}

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all{{}, {7}, {0}, {5, 3}, {3, 4999}, {4, 3, 5}, {0, 3}, {9001}, {2, 3, 2, 2, 2}};
  return all;
}

Merge random_merge(int64_t tasks, int32_t dtype, bool with_absent) {
  Merge merge{tasks, shapes(), {}, {}};
  for (int64_t i = 0; i < tasks; ++i) {
    merge.grads.emplace_back();
    merge.absent.emplace_back();
    for (size_t t = 0; t < merge.shapes.size(); ++t) {
      const uint64_t seed = static_cast<uint64_t>(i) * 100 + t;
      Values grad = random_values(seed, numel(merge.shapes[t]));
      for (size_t e = 0; e < grad.size() && i % 2 == 1; ++e)
        grad[e] -= merge.grads[0][t][e] / 2;  // conflicts with task 0
      merge.grads.back().push_back(round_to(dtype, grad));
      merge.absent.back().push_back(with_absent && seed % 5 == 1);
    }
  }
  return merge;
}

// Task i sees the others backwards, beginning at a place of its own.
Order turned(int64_t tasks) {
  Order order;
  for (int64_t i = 0; i < tasks; ++i) {
    for (int64_t k = 0; k < tasks; ++k) {
      const int64_t other = (3 * i + tasks - k) % tasks;
      if (other != i) order.push_back(other);
    }
  }
  return order;
}

// The buffers of a merge on a device.
class Buffers {
 public:
  Buffers(Engine& engine, const Merge& merge, int32_t dtype, int64_t offset = 0)
      : merge_(merge), merged_(engine, merge.shapes, dtype, offset) {
    for (int64_t i = 0; i < merge.tasks; ++i) {
      const auto task = static_cast<size_t>(i);
      grads_.push_back(std::make_unique<TensorList>(engine, merge.shapes, dtype, offset));
      grads_.back()->write(merge.grads[task]);
      for (size_t t = 0; t < merge.shapes.size(); ++t) {
        views_.push_back(grads_.back()->view(t));
        if (merge.absent[task][t]) views_.back().data = nullptr;
      }
    }
    targets_.assign(merged_.views(), merged_.views() + merged_.count());
  }

  optim_status run(optim_engine* engine) const {
    return optim_pcgrad(engine, merge_.tasks, merged_.count(), views_.data(), targets_.data(),
                        merge_.order.empty() ? nullptr : merge_.order.data(), merge_.reduction);
  }
  std::vector<Bytes> input_bytes() const {
    std::vector<Bytes> all;
    for (const auto& list : grads_) {
      for (Bytes& bytes : list->bytes()) all.push_back(std::move(bytes));
    }
    return all;
  }
  TensorList& merged() { return merged_; }
  TensorList& grads(size_t task) { return *grads_[task]; }
  std::vector<optim_tensor>& views() { return views_; }      // [task][tensor]
  std::vector<optim_tensor>& targets() { return targets_; }  // [tensor]

 private:
  const Merge& merge_;
  TensorList merged_;
  std::vector<std::unique_ptr<TensorList>> grads_;
  std::vector<optim_tensor> views_, targets_;
};

class SurgeryTest : public PerDevice {
 protected:
  void expect_projected(const Merge& merge, int32_t dtype, int64_t offset = 0) {
    Buffers buffers(engine_, merge, dtype, offset);
    const std::vector<Bytes> before = buffers.input_bytes();
    check(buffers.run(engine_));
    EXPECT_EQ(buffers.input_bytes(), before) << "a gradient was changed";
    int projections = 0;
    const std::vector<Values> expected = projected(merge, &projections);
    EXPECT_TRUE(projections > 0 || merge.tasks == 1) << "the gradients do not conflict";
    const double tolerance = dtype == OPTIM_F64 ? 1e-13 : 1e-6 + 2 * roundoff(dtype);
    for (size_t t = 0; t < merge.shapes.size(); ++t) {
      double scale = norm(expected[t]);
      for (const auto& task : merge.grads) scale = std::max(scale, norm(task[t]));
      EXPECT_LE(distance(buffers.merged()[t].values(), expected[t]), tolerance * scale) << to_string(merge.shapes[t]);
    }
  }

  Engine engine_{GetParam()};
};

TEST_P(SurgeryTest, IsTheSequenceOfProjections) {
  for (int32_t dtype : kAllDtypes) {
    for (int64_t tasks : {1, 2, 3, 7, 24}) {
      for (bool with_absent : {false, true}) {
        SCOPED_TRACE(std::string(dtype_name(dtype)) + ", " + std::to_string(tasks) + " tasks");
        Merge merge = random_merge(tasks, dtype, with_absent);
        expect_projected(merge, dtype);
        merge.order = turned(tasks);
        merge.reduction = OPTIM_REDUCTION_MEAN;
        expect_projected(merge, dtype, 1);
      }
    }
  }
}

TEST_P(SurgeryTest, AsManyTasksAsThereMayBe) {
  for (int32_t dtype : {OPTIM_BF16, OPTIM_F64}) {
    Merge merge = random_merge(64, dtype, true);
    merge.order = turned(64);
    expect_projected(merge, dtype);
  }
}

TEST_P(SurgeryTest, OrderIsHeeded) {
  // Three directions in the plane, 120 degrees and more apart: what is left depends on which projection comes first.
  Merge merge{3, {{2}}, {{{1, 0}}, {{-1, 2}}, {{-1, -3}}}, {{false}, {false}, {false}}};
  Buffers ascending(engine_, merge, OPTIM_F64);
  check(ascending.run(engine_));
  Merge other = merge;
  other.order = {2, 1, 2, 0, 1, 0};
  Buffers descending(engine_, other, OPTIM_F64);
  check(descending.run(engine_));
  EXPECT_GT(distance(ascending.merged()[0].values(), descending.merged()[0].values()), 0.1);
  for (const Merge& m : {merge, other}) expect_projected(m, OPTIM_F64);
}

TEST_P(SurgeryTest, WhatDoesNotConflictIsAddedUp) {
  Merge merge{3, {{3}}, {{{1, 0, 2}}, {{0, 0, 0}}, {{0, 4, 1}}}, {{false}, {false}, {false}}};
  for (int32_t reduction : {OPTIM_REDUCTION_SUM, OPTIM_REDUCTION_MEAN}) {
    merge.reduction = reduction;
    Buffers buffers(engine_, merge, OPTIM_F32);
    check(buffers.run(engine_));
    const double divisor = reduction == OPTIM_REDUCTION_MEAN ? 3 : 1;
    EXPECT_EQ(buffers.merged()[0].values(), round_to(OPTIM_F32, Values{1 / divisor, 4 / divisor, 3 / divisor}));
  }
}

TEST_P(SurgeryTest, OppositeGradientsCancelAndMissingOnesAreZeros) {
  Merge merge{2, {{2}, {3}}, {{{1, 2}, {1, 1, 1}}, {{-1, -2}, {1, 1, 1}}}, {{false, true}, {false, true}}};
  Buffers buffers(engine_, merge, OPTIM_F64);
  buffers.merged()[1].write(Values{5, 5, 5});
  check(buffers.run(engine_));
  EXPECT_EQ(norm(buffers.merged()[0].values()), 0);
  EXPECT_EQ(norm(buffers.merged()[1].values()), 0);
}

TEST_P(SurgeryTest, DtypesMayBeMixed) {
  Merge merge = random_merge(3, OPTIM_BF16, false);
  Buffers wide(engine_, merge, OPTIM_F32), half(engine_, merge, OPTIM_BF16);
  check(wide.run(engine_));
  for (size_t t = 0; t < merge.shapes.size(); ++t)
    wide.views()[merge.shapes.size() + t] = half.views()[t + merge.shapes.size()];
  const std::vector<Bytes> expected = wide.merged().bytes();
  for (size_t t = 0; t < merge.shapes.size(); ++t) wide.merged()[t].write(Bytes(expected[t].size()));
  check(wide.run(engine_));
  EXPECT_EQ(wide.merged().bytes(), expected);
}

TEST_P(SurgeryTest, InPlaceOfOneOfTheGradients) {
  for (int32_t dtype : {OPTIM_F32, OPTIM_BF16}) {
    const Merge merge = random_merge(3, dtype, false);
    Buffers apart(engine_, merge, dtype), in_place(engine_, merge, dtype);
    check(apart.run(engine_));
    for (size_t t = 0; t < merge.shapes.size(); ++t) in_place.targets()[t] = in_place.grads(t % 3).view(t);
    check(in_place.run(engine_));
    for (size_t t = 0; t < merge.shapes.size(); ++t) {
      EXPECT_EQ(in_place.grads(t % 3)[t].bytes(), apart.merged()[t].bytes());
    }
  }
}

TEST_P(SurgeryTest, ThreadsDoNotMatter) {
  if (GetParam() != OPTIM_CPU) return;
  for (int64_t tasks : {2, 9}) {
    Merge merge = random_merge(tasks, OPTIM_F32, true);
    merge.shapes.push_back({40, 3001});
    for (size_t i = 0; i < merge.grads.size(); ++i) {
      merge.grads[i].push_back(random_values(i, numel(merge.shapes.back())));
      merge.absent[i].push_back(false);
    }
    Engine one(OPTIM_CPU, 1);
    Buffers first(one, merge, OPTIM_F32);
    check(first.run(one));
    for (int32_t threads : {2, 3, 8}) {
      Engine engine(OPTIM_CPU, threads);
      Buffers buffers(engine, merge, OPTIM_F32);
      check(buffers.run(engine));
      EXPECT_EQ(buffers.merged().bytes(), first.merged().bytes()) << threads << " threads";
    }
  }
}

TEST_P(SurgeryTest, OrderOfTensorsMattersOnlyToRounding) {
  const Merge forward = random_merge(5, OPTIM_F64, true);
  Merge backward = forward;
  std::reverse(backward.shapes.begin(), backward.shapes.end());
  for (auto& task : backward.grads) std::reverse(task.begin(), task.end());
  for (auto& task : backward.absent) std::reverse(task.begin(), task.end());
  Buffers a(engine_, forward, OPTIM_F64), b(engine_, backward, OPTIM_F64);
  check(a.run(engine_));
  check(b.run(engine_));
  const size_t count = forward.shapes.size();
  for (size_t t = 0; t < count; ++t) {
    const Values expected = a.merged()[t].values();
    EXPECT_LE(distance(b.merged()[count - 1 - t].values(), expected), 1e-13 * norm(expected));
  }
}

// One call leaves nothing behind that the next one, of other sizes, could trip over.
TEST_P(SurgeryTest, CallsOfChangingSizes) {
  for (int64_t tasks : {2, 5, 1, 5, 3}) expect_projected(random_merge(tasks, OPTIM_F32, tasks == 5), OPTIM_F32);
  check(optim_pcgrad(engine_, 3, 0, nullptr, nullptr, nullptr, OPTIM_REDUCTION_SUM));
  Merge empty{2, {{0}, {0, 4}}, {{{}, {}}, {{}, {}}}, {{false, false}, {true, false}}};
  Buffers nothing(engine_, empty, OPTIM_F32);
  check(nothing.run(engine_));
  expect_projected(random_merge(2, OPTIM_F64, false), OPTIM_F64);
}

TEST_P(SurgeryTest, Misuse) {
  const Merge merge{3, {{4, 3}, {6}}, {3, {random_values(1, 12), random_values(2, 6)}}, {3, {false, false}}};
  Buffers buffers(engine_, merge, OPTIM_F32);
  const std::vector<Bytes> before = buffers.input_bytes(), merged_before = buffers.merged().bytes();
  const optim_tensor* g = buffers.views().data();
  const optim_tensor* m = buffers.targets().data();
  EXPECT_TRUE(refused(optim_pcgrad(nullptr, 3, 2, g, m, nullptr, 0), {"engine"}));
  EXPECT_TRUE(refused(optim_pcgrad(engine_, 0, 2, g, m, nullptr, 0), {"task_count", "0", "64"}));
  EXPECT_TRUE(refused(optim_pcgrad(engine_, 65, 2, g, m, nullptr, 0), {"task_count", "65", "64"}));
  EXPECT_TRUE(refused(optim_pcgrad(engine_, 3, -1, g, m, nullptr, 0), {"tensor_count", "-1"}));
  EXPECT_TRUE(refused(optim_pcgrad(engine_, 3, INT64_MAX, g, m, nullptr, 0), {"tensor_count"}));
  EXPECT_TRUE(refused(optim_pcgrad(engine_, 3, 2, nullptr, m, nullptr, 0), {"task_grads", "NULL"}));
  EXPECT_TRUE(refused(optim_pcgrad(engine_, 3, 2, g, nullptr, nullptr, 0), {"merged", "NULL"}));
  EXPECT_TRUE(refused(optim_pcgrad(engine_, 3, 2, g, m, nullptr, 2), {"reduction", "2"}));
  for (const Order& bad :
       {Order{1, 2, 0, 2, 0, 3}, Order{1, 2, 0, 2, 0, 0}, Order{1, 0, 0, 2, 0, 1}, Order{-1, 2, 0, 2, 0, 1}}) {
    EXPECT_TRUE(refused(optim_pcgrad(engine_, 3, 2, g, m, bad.data(), 0), {"order["}));
  }
  const auto expect_refused = [&](optim_tensor& view, const std::function<void(optim_tensor&)>& spoil,
                                  const std::vector<std::string>& words) {
    const optim_tensor good = view;
    spoil(view);
    EXPECT_TRUE(refused(buffers.run(engine_), words));
    view = good;
  };
  optim_tensor& grad = buffers.views()[3];  // of task 1, tensor 1
  expect_refused(grad, [](optim_tensor& t) { t.shape[0] = 5; }, {"task_grads[1][1]", "merged[1]", "shape"});
  expect_refused(grad, [](optim_tensor& t) { t.dtype = OPTIM_F64; }, {"task_grads[1][1]", "F64"});
  expect_refused(grad, [](optim_tensor& t) { t.dtype = 7; }, {"task_grads[1][1]", "dtype", "7"});
  expect_refused(grad, [](optim_tensor& t) { t.data = static_cast<char*>(t.data) + 1; }, {"task_grads[1][1]", "align"});
  expect_refused(grad, [](optim_tensor& t) { t.size = 8; }, {"size", "8"});
  optim_tensor& target = buffers.targets()[1];
  expect_refused(target, [](optim_tensor& t) { t.data = nullptr; }, {"merged[1]", "NULL"});
  expect_refused(target, [](optim_tensor& t) { t.dtype = OPTIM_F64; }, {"F64"});
  expect_refused(target, [&](optim_tensor& t) { t.data = buffers.targets()[0].data; }, {"merged", "overlap"});
  expect_refused(target, [&](optim_tensor& t) { t.data = buffers.views()[0].data; }, {"task_grads[0][0]", "merged[1]"});
  expect_refused(target, [&](optim_tensor& t) { t.data = static_cast<char*>(grad.data) + 4; },
                 {"task_grads[1][1]", "merged[1]"});
  expect_refused(target, [&](optim_tensor& t) { t.data = grad.data, t.dtype = OPTIM_BF16; },
                 {"task_grads[1][1]", "merged[1]"});
  EXPECT_EQ(buffers.input_bytes(), before);
  EXPECT_EQ(buffers.merged().bytes(), merged_before);
}

OPTIM_TEST_PER_DEVICE(SurgeryTest);

}  // namespace
}  // namespace optim_test
