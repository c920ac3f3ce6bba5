// Gradient surgery on random tasks, against the projections one after the other in double.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "draw.h"
#include "list_functions.h"
#include "misuse.h"

namespace optim_fuzz {
namespace {

struct Tasks {
  std::vector<Shape> shapes;
  std::vector<int32_t> dtypes;             // [task]; then that of the result
  std::vector<std::vector<Values>> grads;  // [task][tensor]
  std::vector<std::vector<bool>> absent;   // [task][tensor]
  std::vector<int64_t> order;              // [task][tasks - 1]
  int32_t reduction = OPTIM_REDUCTION_SUM;
  int64_t in_place = -1;  // the task whose buffers take the result
  bool ordered = false;
  bool finite = true;

  int64_t count() const { return static_cast<int64_t>(grads.size()); }
};

Tasks draw_tasks(Random& random) {
  Tasks tasks;
  const bool in_double = random.chance(0.3);
  const std::vector<int32_t> narrow{OPTIM_F32, OPTIM_F16, OPTIM_BF16};
  for (int64_t n = random.between(0, 5); n > 0; --n)
    tasks.shapes.push_back(draw_shape(random, devices().size() > 1 ? 9000 : 90000));
  const int64_t count = random.chance(0.1) ? random.between(1, 64) : random.between(1, 6);
  for (int64_t i = 0; i <= count; ++i) tasks.dtypes.push_back(in_double ? OPTIM_F64 : random.pick(narrow));
  if (random.chance(0.3)) {
    tasks.in_place = random.between(0, count - 1);
    tasks.dtypes.back() = tasks.dtypes[static_cast<size_t>(tasks.in_place)];
  }
  for (int64_t i = 0; i < count; ++i) {
    tasks.grads.emplace_back();
    tasks.absent.emplace_back();
    for (const Shape& shape : tasks.shapes) {
      Values grad = random_values(random.next(), numel(shape));
      if (random.chance(0.3)) {  // conflicts with the first task
        const double by = random.real(0, 2);
        const Values& first =
            tasks.grads[0].size() > tasks.grads.back().size() ? tasks.grads[0][tasks.grads.back().size()] : grad;
        for (size_t e = 0; e < grad.size(); ++e) grad[e] -= by * first[e];
      }
      if (random.chance(0.01)) {
        spoil(random, grad);
        tasks.finite = tasks.finite && grad.empty();
      }
      tasks.grads.back().push_back(round_to(tasks.dtypes[static_cast<size_t>(i)], grad));
      tasks.absent.back().push_back(i != tasks.in_place && random.chance(0.15));
    }
    std::vector<int64_t> others;
    for (int64_t k = 0; k < count; ++k) {
      if (k != i) others.push_back(k);
    }
    for (size_t k = others.size(); k > 1; --k)
      std::swap(others[k - 1], others[static_cast<size_t>(random.between(0, static_cast<int64_t>(k) - 1))]);
    tasks.order.insert(tasks.order.end(), others.begin(), others.end());
  }
  tasks.ordered = random.chance(0.5);
  if (!tasks.ordered) {
    for (auto row = tasks.order.begin(); count > 1 && row != tasks.order.end(); row += count - 1)
      std::sort(row, row + count - 1);
  }
  tasks.reduction = static_cast<int32_t>(random.between(0, 1));
  return tasks;
}

Values flattened(const Tasks& tasks, size_t task) {
  Values all;
  for (size_t t = 0; t < tasks.shapes.size(); ++t) {
    const Values& grad = tasks.grads[task][t];
    if (tasks.absent[task][t]) {
      all.resize(all.size() + grad.size());
    } else {
      all.insert(all.end(), grad.begin(), grad.end());
    }
  }
  return all;
}

double dot(const Values& a, const Values& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

std::vector<Values> projected(const Tasks& tasks) {
  std::vector<Values> grads;
  for (size_t i = 0; i < tasks.grads.size(); ++i) grads.push_back(flattened(tasks, i));
  Values sum(grads[0].size());
  for (size_t i = 0; i < grads.size(); ++i) {
    Values u = grads[i];
    for (size_t k = 0; k + 1 < grads.size(); ++k) {
      const Values& g = grads[static_cast<size_t>(tasks.order[i * (grads.size() - 1) + k])];
      const double d = dot(u, g);
      if (d >= 0) continue;
      const double factor = d / dot(g, g);
      for (size_t e = 0; e < u.size(); ++e) u[e] -= factor * g[e];
    }
    for (size_t e = 0; e < u.size(); ++e) sum[e] += u[e];
  }
  std::vector<Values> merged;
  auto begin = sum.begin();
  for (size_t t = 0; t < tasks.shapes.size(); ++t) {
    merged.emplace_back(begin, begin + numel(tasks.shapes[t]));
    begin += numel(tasks.shapes[t]);
    const bool shared =
        std::none_of(tasks.absent.begin(), tasks.absent.end(), [t](const std::vector<bool>& a) { return a[t]; });
    if (!shared || tasks.reduction != OPTIM_REDUCTION_MEAN) continue;
    for (double& x : merged.back()) x /= static_cast<double>(grads.size());
  }
  return merged;
}

// The buffers of all tasks on a device, and a merge of them.
class Merge {
 public:
  Merge(Engine& engine, const Tasks& tasks) : engine_(engine), tasks_(tasks) {
    for (size_t i = 0; i < tasks.dtypes.size(); ++i) {
      lists_.push_back(std::make_unique<TensorList>(engine, tasks.shapes, tasks.dtypes[i]));
      if (i < tasks.grads.size()) lists_.back()->write(tasks.grads[i]);
      for (size_t t = 0; t < tasks.shapes.size(); ++t) {
        views_.push_back(lists_.back()->view(t));
        if (i < tasks.grads.size() && tasks.absent[i][t]) views_.back().data = nullptr;
      }
    }
  }

  optim_status run(int64_t tasks, const int64_t* order) const {
    return optim_pcgrad(engine_, tasks, static_cast<int64_t>(tasks_.shapes.size()), views_.data(),
                        const_cast<Merge*>(this)->merged().views(), order, tasks_.reduction);
  }
  optim_status run() const { return run(tasks_.count(), tasks_.ordered ? tasks_.order.data() : nullptr); }
  TensorList& merged() { return tasks_.in_place < 0 ? *lists_.back() : *lists_[static_cast<size_t>(tasks_.in_place)]; }
  std::vector<Bytes> bytes(bool with_merged) {
    std::vector<Bytes> all;
    for (const auto& list : lists_) {
      if (!with_merged && list.get() == &merged()) continue;
      for (Bytes& each : list->bytes()) all.push_back(std::move(each));
    }
    return all;
  }

 private:
  Engine& engine_;
  const Tasks& tasks_;
  std::vector<std::unique_ptr<TensorList>> lists_;
  std::vector<optim_tensor> views_;  // [task][tensor]
};

}  // namespace

void pcgrad(Random& random, const Settings& settings) {
  const Tasks tasks = draw_tasks(random);
  SCOPED_TRACE(std::to_string(tasks.count()) + " tasks, dtypes " + testing::PrintToString(tasks.dtypes) + ", shapes " +
               testing::PrintToString(tasks.shapes) + ", result in " + std::to_string(tasks.in_place));
  const std::vector<Values> expected = projected(tasks);
  std::vector<std::vector<Bytes>> results;
  for (int32_t threads : {1, settings.threads, 0}) {
    if (threads == 0 && devices().size() < 2) continue;
    Engine engine(threads == 0 ? OPTIM_CUDA : OPTIM_CPU, threads);
    Merge merge(engine, tasks);
    const std::vector<Bytes> before = merge.bytes(true);
    std::vector<int64_t> wrong = tasks.order;
    if (!wrong.empty()) wrong.back() = random.chance(0.5) ? tasks.count() : tasks.count() - 1;
    EXPECT_TRUE(refused(wrong.empty() ? merge.run(0, nullptr) : merge.run(tasks.count(), wrong.data()), {}));
    EXPECT_EQ(merge.bytes(true), before) << "a refused call changed something";

    const std::vector<Bytes> inputs = merge.bytes(false);
    check(merge.run());
    EXPECT_EQ(merge.bytes(false), inputs) << "a gradient was changed";
    if (threads > 0) results.push_back(merge.bytes(true));
    const bool in_double = tasks.dtypes[0] == OPTIM_F64;
    for (size_t t = 0; t < expected.size() && tasks.finite; ++t) {
      double scale = norm(expected[t]);
      for (const auto& task : tasks.grads) scale = std::max(scale, norm(task[t]));
      const double tolerance = in_double ? 1e-12 : 2e-6 + 2 * roundoff(tasks.dtypes.back());
      EXPECT_LE(distance(merge.merged()[t].values(), expected[t]), tolerance * scale) << to_string(tasks.shapes[t]);
    }
  }
  EXPECT_EQ(results[1], results[0]) << "threads";
}

}  // namespace optim_fuzz
