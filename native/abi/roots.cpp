// Matrix roots, and the counters of those that plans take.
#include <algorithm>
#include <cmath>

#include "abi/boundary.h"
#include "core/roots.h"

using namespace optim;
using namespace optim::abi;

namespace {

constexpr std::int64_t most_rows = 8192;

Layout square(const optim_tensor& tensor, const Name& what) {
  Layout layout = layout_of(tensor, what);
  if (layout.dtype != DType::f32 && layout.dtype != DType::f64) {
    invalid(what, " is ", name_of(layout.dtype), "; allowed are F32 and F64");
  }
  if (layout.rank != 2 || layout.shape[0] != layout.shape[1]) {
    invalid(what, " has rank ", layout.rank, " and ", layout.rank > 0 ? layout.shape[0] : 1,
            " rows; it must be a square matrix");
  }
  if (layout.shape[0] > most_rows) invalid(what, " has ", layout.shape[0], " rows; allowed are at most ", most_rows);
  if (!layout.row_major) invalid(what, " has strides that are not row-major; they must be");
  return layout;
}

struct Interval {
  std::uintptr_t begin, end;
  Name what;
  bool written;
};

// No root may lie where another tensor does: matrices are never written.
void check_overlap(std::vector<Interval> intervals) {
  std::sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  const Interval* furthest = nullptr;  // of those before
  const Interval* furthest_written = nullptr;
  for (const Interval& interval : intervals) {
    const Interval* const other = interval.written ? furthest : furthest_written;
    if (other != nullptr && interval.begin < other->end) {
      invalid(interval.what, " overlaps ", other->what, "; buffers must not");
    }
    if (furthest == nullptr || interval.end > furthest->end) furthest = &interval;
    if (interval.written && (furthest_written == nullptr || interval.end > furthest_written->end))
      furthest_written = &interval;
  }
}

std::vector<RootJob> read_jobs(const Engine& engine, std::int64_t count, const optim_tensor* matrices,
                               const optim_tensor* roots, double* errors) {
  const std::vector<optim_tensor> sources = read_tensors(matrices, count, "matrices"),
                                  targets = read_tensors(roots, count, "roots");
  std::vector<RootJob> jobs;
  std::vector<Interval> intervals;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Name source("matrices", static_cast<std::int64_t>(i)), target("roots", static_cast<std::int64_t>(i));
    const Layout layout = square(sources[i], source), root = square(targets[i], target);
    if (root.dtype != layout.dtype || root.shape != layout.shape) {
      invalid(target, " and ", source, " differ in dtype or shape; they must agree");
    }
    if (layout.extent.count == 0) continue;
    for (const auto& [tensor, what] : {std::make_pair(&sources[i], &source), std::make_pair(&targets[i], &target)}) {
      if (tensor->data == nullptr) invalid(*what, ".data is NULL");
      engine.check_address(*what, tensor->data, size_of(layout.dtype));
      const auto begin = reinterpret_cast<std::uintptr_t>(tensor->data);
      intervals.push_back({begin, begin + layout.bytes(), *what, tensor == &targets[i]});
    }
    jobs.push_back({static_cast<int>(layout.shape[0]), layout.dtype == DType::f64, sources[i].data, targets[i].data,
                    errors != nullptr ? errors + i : nullptr});
  }
  check_overlap(std::move(intervals));
  std::stable_sort(jobs.begin(), jobs.end(), [](const RootJob& a, const RootJob& b) { return a.n > b.n; });
  return jobs;
}

int checked_root(std::int32_t p) {
  constexpr std::int32_t largest = 16;
  if (p < 1 || p > largest) invalid("p is ", p, "; allowed are 1 to ", largest);
  return p;
}

std::uint64_t* checked_counts(const Engine& engine, std::uint64_t* counts) {
  if (counts != nullptr) engine.check_address("counts", counts, sizeof(std::uint64_t));
  return counts;
}

}  // namespace

optim_status optim_inverse_root(optim_engine* engine, int64_t count, const optim_tensor* matrices,
                                const optim_tensor* roots, int32_t p, double ridge_epsilon, uint64_t* counts) {
  return guarded([&] {
    Engine& e = *require(engine, "engine").engine;
    linalg::InverseRoot options{static_cast<double>(checked_root(p))};
    options.ridge = at_least("ridge_epsilon", ridge_epsilon, 0);
    e.inverse_roots(read_jobs(e, count, matrices, roots, nullptr), options, checked_counts(e, counts));
  });
}

optim_status optim_coupled_newton(optim_engine* engine, int64_t count, const optim_tensor* matrices,
                                  const optim_tensor* roots, int32_t p, int32_t iterations, double tolerance,
                                  double* errors, uint64_t* counts) {
  return guarded([&] {
    Engine& e = *require(engine, "engine").engine;
    const int root = checked_root(p);
    constexpr std::int32_t most = 1000;
    if (iterations < 0 || iterations > most) invalid("iterations is ", iterations, "; allowed are 0 to ", most);
    at_least("tolerance", tolerance, 0);
    if (errors != nullptr) e.check_address("errors", errors, sizeof(double));
    e.coupled_newton(read_jobs(e, count, matrices, roots, errors), {root, iterations, tolerance},
                     checked_counts(e, counts));
  });
}

optim_status optim_plan_root_counts(const optim_plan* plan, uint64_t* counts) {
  return guarded([&] {
    Plan& p = *require(plan, "plan").plan;
    require(counts, "counts");
    const RootCounts taken = p.executor().root_counts();
    counts[OPTIM_ROOT_SKIPPED] = taken.skipped;
    counts[OPTIM_ROOT_INDEFINITE] = taken.indefinite;
  });
}
