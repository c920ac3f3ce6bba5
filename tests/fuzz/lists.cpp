// Functions over lists of tensors of random shapes, strides and dtypes, some of them empty, with numbers that are not
// finite among them: against a loop in double, and the same bits for any number of threads. Other cases take roots of
// matrices and move parameters there and back again.
#include <algorithm>
#include <cmath>

#include "list_calls.h"
#include "list_functions.h"
#include "misuse.h"
#include "root_batch.h"

namespace optim_fuzz {
namespace {

struct Inputs {
  std::vector<Shape> shapes, strides;  // of row-major tensors: none
  int32_t a_dtype = OPTIM_F32, b_dtype = OPTIM_F32;
  int64_t offset = 0;
  std::vector<Values> a, b;  // in logical order
  bool finite = true;
};

Inputs draw_inputs(Random& random, bool same_dtype, bool positive) {
  Inputs in;
  const std::vector<int32_t> narrow{OPTIM_F32, OPTIM_F16, OPTIM_BF16};
  const bool in_double = random.chance(0.25);
  in.a_dtype = in_double ? OPTIM_F64 : random.pick(narrow);
  in.b_dtype = in_double || same_dtype ? in.a_dtype : random.pick(narrow);
  in.offset = random.between(0, 3);
  for (int64_t n = random.between(0, 6); n > 0; --n) {
    in.shapes.push_back(draw_shape(random, devices().size() > 1 ? 3000 : 90000));
    in.strides.push_back(random.chance(0.3) ? draw_strides(random, in.shapes.back()) : Shape{});
    const int64_t count = numel(in.shapes.back());
    in.a.push_back(round_to(in.a_dtype, random_values(random.next(), count)));
    in.b.push_back(round_to(in.b_dtype, random_values(random.next(), count)));
    if (positive)
      std::transform(in.b.back().begin(), in.b.back().end(), in.b.back().begin(),
                     [](double x) { return std::fabs(x); });
    if (random.chance(0.05)) {
      spoil(random, random.chance(0.5) ? in.a.back() : in.b.back());
      in.finite = false;
    }
  }
  return in;
}

// Both lists on a device.
class Lists {
 public:
  Lists(Engine& engine, const Inputs& in)
      : in_(in), a(engine, in.shapes, in.a_dtype, in.offset), b(engine, in.shapes, in.b_dtype, in.offset) {
    for (size_t i = 0; i < in.shapes.size(); ++i) {
      a[i].write(to_memory(in.shapes[i], in.strides[i], in.a[i]));
      b[i].write(to_memory(in.shapes[i], in.strides[i], in.b[i]));
      a.view(i) = tensor_view(in.shapes[i], in.a_dtype, a[i].data(), in.strides[i]);
      b.view(i) = tensor_view(in.shapes[i], in.b_dtype, b[i].data(), in.strides[i]);
    }
  }
  Values logical(TensorList& list, size_t i) const {
    return to_logical(in_.shapes[i], in_.strides[i], list[i].values());
  }
  std::vector<Bytes> bytes() const {
    std::vector<Bytes> all = a.bytes();
    for (Bytes& each : b.bytes()) all.push_back(std::move(each));
    return all;
  }

 private:
  const Inputs& in_;

 public:
  TensorList a, b;
};

// Numbers that are not finite must be where they are expected; the others may be `bound` away together.
testing::AssertionResult near(const Values& actual, const Values& expected, double bound) {
  Values a, b;
  for (size_t e = 0; e < expected.size(); ++e) {
    const double x = actual.at(e), y = expected[e];
    if (std::isfinite(x) && std::isfinite(y)) {
      a.push_back(x);
      b.push_back(y);
    } else if (!(x == y || (std::isnan(x) && std::isnan(y)))) {
      return testing::AssertionFailure() << "element " << e << " is " << x << " instead of " << y;
    }
  }
  if (distance(a, b) <= bound) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "off by " << distance(a, b) << ", more than " << bound;
}

void compare(const Inputs& in, Lists& lists, double output, const ListValues& expected, bool writes_b) {
  const auto tolerance = [](int32_t dtype) { return dtype == OPTIM_F64 ? 1e-13 : 5e-7 + 2 * roundoff(dtype); };
  if (std::isfinite(expected.output)) {
    EXPECT_LE(std::fabs(output - expected.output), 1e-6 * std::fabs(expected.output));
  } else {
    EXPECT_TRUE(near({output}, {expected.output}, 0));
  }
  for (size_t i = 0; i < in.shapes.size(); ++i) {
    SCOPED_TRACE("tensor " + to_string(in.shapes[i]));
    double scale = 0;
    for (const Values* values : {&expected.a[i], &in.a[i], &in.b[i]}) {
      for (double x : *values) scale += std::isfinite(x) ? x * x : 0;
    }
    scale = std::sqrt(scale) * expected.gain;
    const double subnormal =
        in.a_dtype == OPTIM_F16 || in.b_dtype == OPTIM_F16 ? 0x1p-24 * std::sqrt(in.a[i].size()) : 0;
    const double u = std::max(tolerance(in.a_dtype), writes_b ? tolerance(in.b_dtype) : 0);
    EXPECT_TRUE(near(lists.logical(lists.a, i), round_to(in.a_dtype, expected.a[i]), u * scale + subnormal));
    EXPECT_TRUE(
        near(lists.logical(lists.b, i), round_to(in.b_dtype, expected.b[i]), writes_b ? u * scale + subnormal : 0));
  }
}

void expect_refusals(Random& random, Engine& engine, const Inputs& in, const ListCall& function) {
  Lists lists(engine, in);
  const std::vector<Bytes> before = lists.bytes();
  const optim_tensor* const b = function.pairs ? lists.b.views() : nullptr;
  double output = 0;
  EXPECT_TRUE(refused(function.invalid(engine, lists.a.count(), lists.a.views(), b), {}));
  EXPECT_TRUE(refused(function.call(engine, -1, lists.a.views(), b, &output), {}));
  if (lists.a.count() > 0) {
    const auto last = static_cast<size_t>(lists.a.count()) - 1;
    optim_tensor& view = function.pairs && random.chance(0.5) ? lists.b.view(last) : lists.a.view(last);
    const optim_tensor good = view;
    const int64_t way = random.between(0, function.pairs ? 5 : 4);
    if (way == 0) view.dtype = 7;
    if (way == 1) view.size = 8;
    if (way == 2) view.rank = OPTIM_MAX_RANK + 1;
    if (way == 3) view = tensor_view({2, 2}, good.dtype, good.data, {2, 0});
    if (way == 4 && in.a[last].empty()) view.reserved = 1;
    if (way == 4 && !in.a[last].empty()) view.data = nullptr;
    if (way == 5)
      view = tensor_view({7, numel(in.shapes[last])}, good.dtype, good.data);  // other than that of its pair
    EXPECT_TRUE(refused(function.call(engine, lists.a.count(), lists.a.views(), b, &output), {})) << "way " << way;
  }
  EXPECT_EQ(lists.bytes(), before) << "a refused call changed something";
}

void list_function(Random& random, const Settings& settings) {
  const ListCall function = draw_list_call(random);
  const Inputs in = draw_inputs(random, function.same_dtype, function.positive);
  SCOPED_TRACE(std::string(function.name) + ", dtypes " + dtype_name(in.a_dtype) + " and " + dtype_name(in.b_dtype) +
               ", shapes " + testing::PrintToString(in.shapes));
  Engine one(OPTIM_CPU, 1), many(OPTIM_CPU, static_cast<int32_t>(random.between(2, std::max(settings.threads, 2))));
  expect_refusals(random, many, in, function);

  ListValues expected{in.shapes, in.a, in.b};
  function.loop(expected);
  std::vector<std::vector<Bytes>> results;
  std::vector<double> outputs;
  const bool known = in.finite || (function.heeds_nonfinite && in.a_dtype != OPTIM_F16);
  const auto run = [&](Engine& engine) {
    Lists lists(engine, in);
    double output = 0;
    const optim_status status =
        function.call(engine, lists.a.count(), lists.a.views(), function.pairs ? lists.b.views() : nullptr, &output);
    results.push_back(lists.bytes());
    outputs.push_back(output);
    if (status == OPTIM_OK) {
      if (known) compare(in, lists, output, expected, function.name == std::string("optim_lookahead"));
      return;
    }
    EXPECT_TRUE(refused(status, {"rows of 1 element"}));  // of normalize
    EXPECT_EQ(lists.bytes(), Lists(engine, in).bytes()) << "a refused call changed something";
  };
  run(one);
  run(many);
  EXPECT_EQ(results[1], results[0]) << "threads";
  EXPECT_EQ(std::memcmp(&outputs[1], &outputs[0], sizeof outputs[0]), 0) << "threads";
  if (devices().size() < 2) return;
  Engine cuda(OPTIM_CUDA);
  run(cuda);
}

// SAM there and back, to the bit.
void perturb_and_restore(Random& random, const Settings& settings) {
  const Inputs in = draw_inputs(random, false, false);
  const double rho = random.real(0, 2), eta = random.chance(0.5) ? 0 : random.real(0, 0.1);
  const auto adaptive = static_cast<int32_t>(random.between(0, 1)), use_gc = static_cast<int32_t>(random.between(0, 1));
  std::vector<std::vector<Bytes>> moved;
  for (int32_t threads : {1, settings.threads, 0}) {
    if (threads == 0 && devices().size() < 2) continue;
    Engine engine(threads == 0 ? OPTIM_CUDA : OPTIM_CPU, threads);
    Lists lists(engine, in), old(engine, in);
    const std::vector<Bytes> before = lists.bytes();
    check(optim_sam_perturb(engine, lists.a.count(), lists.a.views(), lists.b.views(), old.a.views(), rho, adaptive, 0,
                            use_gc, eta));
    if (threads > 0) moved.push_back(lists.bytes());
    check(optim_sam_restore(engine, lists.a.count(), lists.a.views(), old.a.views()));
    EXPECT_EQ(lists.bytes(), before) << "restore";
  }
  EXPECT_EQ(moved[1], moved[0]) << "threads";
}

void inverse_roots(Random& random, const Settings& settings) {
  const int32_t dtype = random.chance(0.5) ? OPTIM_F64 : OPTIM_F32;
  const auto p = static_cast<int32_t>(random.between(1, 16));
  const double condition = std::pow(10, random.real(0, 3));
  std::vector<Values> matrices, expected;
  for (int64_t n = random.between(0, 4); n > 0; --n) {
    const Turned turned(random.next(), static_cast<int>(random.between(1, 24)), condition);
    matrices.push_back(round_to(dtype, turned.matrix()));
    expected.push_back(turned.of([p](double x) { return std::pow(x, -1.0 / p); }));
  }
  const bool spoiled = !matrices.empty() && random.chance(0.2);
  if (spoiled) spoil(random, matrices.back());
  std::vector<std::vector<Bytes>> results;
  for (int32_t threads : {1, settings.threads, 0}) {
    if (threads == 0 && devices().size() < 2) continue;
    Engine engine(threads == 0 ? OPTIM_CUDA : OPTIM_CPU, threads);
    Batch batch(engine, matrices, dtype);
    const std::vector<Values> roots = batch.take(p, 0);
    if (threads > 0) results.push_back(batch.roots().bytes());
    EXPECT_EQ(batch.count(OPTIM_ROOT_SKIPPED), spoiled ? 1u : 0u);
    for (size_t i = 0; i < roots.size(); ++i) {
      if (spoiled && i + 1 == roots.size()) {
        EXPECT_EQ(roots[i], Values(roots[i].size(), 5.0)) << "a root that was skipped";
      } else {
        EXPECT_LE(distance(roots[i], expected[i]), (dtype == OPTIM_F64 ? 1e-13 : 1e-6) * condition * norm(expected[i]));
      }
    }
  }
  EXPECT_EQ(results[1], results[0]) << "threads";
}

}  // namespace

void lists(Random& random, const Settings& settings) {
  const double kind = random.real(0, 1);
  if (kind < 0.1) return perturb_and_restore(random, settings);
  if (kind < 0.2) return inverse_roots(random, settings);
  list_function(random, settings);
}

}  // namespace optim_fuzz
