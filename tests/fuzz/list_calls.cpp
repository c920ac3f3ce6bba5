#include "list_calls.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace optim_fuzz {
namespace {

using T = const optim_tensor*;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Calls use(first, end) for every row of the tensor.
template <class Use>
void for_each_row(const Shape& shape, const Use& use) {
  const auto count = static_cast<size_t>(numel(shape));
  const size_t rows = shape.size() > 1 ? static_cast<size_t>(shape[0]) : 1;
  for (size_t r = 0; r < rows && count > 0; ++r) use(r * (count / rows), (r + 1) * (count / rows));
}

double sum(
    const Values& v, size_t first, size_t end, double (*of)(double) = [](double x) { return x; }) {
  double total = 0;
  for (size_t e = first; e < end; ++e) total += of(v[e]);
  return total;
}
double square(double x) { return x * x; }
double row_norm(const Values& v, size_t first, size_t end) { return std::sqrt(sum(v, first, end, square)); }

void divide_by_deviation(ListValues& lists, Values& v, size_t first, size_t end, double eps) {
  const double n = static_cast<double>(end - first), mean = sum(v, first, end) / n;
  double squares = 0;
  for (size_t e = first; e < end; ++e) squares += square(v[e] - mean);
  const double factor = 1 / (std::sqrt(squares / (n - 1)) + eps);
  lists.gain = std::max(lists.gain, factor);
  for (size_t e = first; e < end; ++e) v[e] *= factor;
}

double global_norm(const ListValues& lists, double type) {
  double total = 0;
  for (const Values& v : lists.a) {
    for (double x : v)
      total = type == 1 ? total + std::fabs(x) : type == 2 ? total + x * x : std::max(total, std::fabs(x));
    const bool nan = std::any_of(v.begin(), v.end(), [](double x) { return std::isnan(x); });
    if (nan) total = std::nan("");
    if (std::isnan(total)) return total;
  }
  return type == 2 ? std::sqrt(total) : total;
}

ListCall clip_grad_value(Random& random) {
  const double most = random.real(0.01, 2);
  ListCall c{"optim_clip_grad_value"};
  c.heeds_nonfinite = true;
  c.call = [=](Engine& e, int64_t n, T a, T, double*) { return optim_clip_grad_value(e, n, a, most); };
  c.invalid = [](Engine& e, int64_t n, T a, T) { return optim_clip_grad_value(e, n, a, -1); };
  c.loop = [=](ListValues& lists) {
    for (Values& v : lists.a) {
      for (double& x : v) x = x > most ? most : x < -most ? -most : x;
    }
  };
  return c;
}

ListCall clip_grad_norm(Random& random) {
  const double most = random.real(0.01, 20), eps = random.chance(0.5) ? 0 : random.real(0, 0.1);
  const double type = random.pick(Values{0, 1, 2, kInfinity});
  ListCall c{"optim_clip_grad_norm"};
  c.heeds_nonfinite = true;
  c.call = [=](Engine& e, int64_t n, T a, T, double* norm) {
    return optim_clip_grad_norm(e, n, a, most, type, eps, norm);
  };
  c.invalid = [=](Engine& e, int64_t n, T a, T) { return optim_clip_grad_norm(e, n, a, most, 3, eps, nullptr); };
  c.loop = [=](ListValues& lists) {
    lists.output = global_norm(lists, type == 0 ? 2 : type);
    const double factor = most / (lists.output + (eps == 0 ? 1e-6 : eps));
    if (factor >= 1) return;
    for (Values& v : lists.a) {
      for (double& x : v) x *= factor;
    }
  };
  return c;
}

ListCall centralize(Random& random) {
  const auto conv_only = static_cast<int32_t>(random.between(0, 1));
  ListCall c{"optim_centralize"};
  c.call = [=](Engine& e, int64_t n, T a, T, double*) { return optim_centralize(e, n, a, conv_only); };
  c.invalid = [](Engine& e, int64_t n, T a, T) { return optim_centralize(e, n, a, 2); };
  c.loop = [=](ListValues& lists) {
    for (size_t i = 0; i < lists.a.size(); ++i) {
      Values& v = lists.a[i];
      if (lists.shapes[i].size() < (conv_only == 1 ? 4 : 2)) continue;
      for_each_row(lists.shapes[i], [&](size_t first, size_t end) {
        const double mean = sum(v, first, end) / static_cast<double>(end - first);
        for (size_t e = first; e < end; ++e) v[e] -= mean;
      });
    }
  };
  return c;
}

ListCall normalize(Random& random) {
  const double eps = random.chance(0.5) ? 0 : random.real(0, 0.1);
  const auto channels = static_cast<int32_t>(random.between(0, 1));
  ListCall c{"optim_normalize"};
  c.call = [=](Engine& e, int64_t n, T a, T, double*) { return optim_normalize(e, n, a, channels, eps); };
  c.invalid = [=](Engine& e, int64_t n, T a, T) { return optim_normalize(e, n, a, channels, -eps - 1); };
  c.loop = [=](ListValues& lists) {
    for (size_t i = 0; i < lists.a.size(); ++i) {
      Values& v = lists.a[i];
      const double added = eps == 0 ? 1e-8 : eps;
      if (channels == 1 && lists.shapes[i].size() > 1) {
        for_each_row(lists.shapes[i],
                     [&](size_t first, size_t end) { divide_by_deviation(lists, v, first, end, added); });
      } else if (v.size() > 2) {
        divide_by_deviation(lists, v, 0, v.size(), added);
      }
    }
  };
  return c;
}

ListCall norm_loss(Random& random) {
  const double lr = random.real(0, 0.5), factor = random.real(0.01, 1), eps = random.chance(0.5) ? 0 : 0.01;
  ListCall c{"optim_norm_loss"};
  c.call = [=](Engine& e, int64_t n, T a, T, double*) { return optim_norm_loss(e, n, a, lr, factor, eps); };
  c.invalid = [=](Engine& e, int64_t n, T a, T) { return optim_norm_loss(e, n, a, -1, factor, eps); };
  c.loop = [=](ListValues& lists) {
    for (size_t i = 0; i < lists.a.size(); ++i) {
      Values& v = lists.a[i];
      for_each_row(lists.shapes[i], [&](size_t first, size_t end) {
        const double by = 1 - 2 * lr * factor * (1 - 1 / (row_norm(v, first, end) + (eps == 0 ? 1e-8 : eps)));
        lists.gain = std::max(lists.gain, std::fabs(by));
        for (size_t e = first; e < end; ++e) v[e] *= by;
      });
    }
  };
  return c;
}

ListCall softplus(Random& random) {
  const double beta = random.chance(0.3) ? 0 : random.real(0.5, 60);
  ListCall c{"optim_softplus"};
  c.call = [=](Engine& e, int64_t n, T a, T, double*) { return optim_softplus(e, n, a, beta); };
  c.invalid = [](Engine& e, int64_t n, T a, T) { return optim_softplus(e, n, a, std::nan("")); };
  c.loop = [=](ListValues& lists) {
    const double b = beta == 0 ? 50 : beta;
    for (Values& v : lists.a) {
      for (double& x : v) x = std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(b * x))) / b;
    }
  };
  return c;
}

ListCall agc(Random& random) {
  const double most = random.real(0.01, 2), eps = random.chance(0.5) ? 0 : random.real(0, 4),
               least = random.chance(0.5) ? 0 : random.real(0, 4);
  ListCall c{"optim_agc"};
  c.pairs = true;
  c.call = [=](Engine& e, int64_t n, T a, T b, double*) { return optim_agc(e, n, b, a, most, eps, least); };
  c.invalid = [=](Engine& e, int64_t n, T a, T b) { return optim_agc(e, n, b, a, 0, eps, least); };
  c.loop = [=](ListValues& lists) {
    for (size_t i = 0; i < lists.a.size(); ++i) {
      Values& v = lists.a[i];
      for_each_row(lists.shapes[i], [&](size_t first, size_t end) {
        const double limit = most * std::max(row_norm(lists.b[i], first, end), eps == 0 ? 1e-3 : eps);
        const double norm = row_norm(v, first, end);
        if (norm <= limit) return;
        for (size_t e = first; e < end; ++e) v[e] *= limit / std::max(norm, least == 0 ? 1e-6 : least);
      });
    }
  };
  return c;
}

ListCall stable_weight_decay(Random& random) {
  const double lr = random.real(0, 0.3), decay = random.real(0.01, 0.5), beta2 = random.real(0, 0.999);
  const int64_t step = random.between(1, 50);
  ListCall c{"optim_stable_weight_decay"};
  c.pairs = c.positive = true;
  c.call = [=](Engine& e, int64_t n, T a, T b, double* rms) {
    return optim_stable_weight_decay(e, n, a, b, lr, decay, beta2, step, rms);
  };
  c.invalid = [=](Engine& e, int64_t n, T a, T b) {
    return optim_stable_weight_decay(e, n, a, b, lr, decay, 1.5, step, nullptr);
  };
  c.loop = [=](ListValues& lists) {
    double total = 0, count = 0;
    for (const Values& v : lists.b) {
      total += sum(v, 0, v.size());
      count += static_cast<double>(v.size());
    }
    if (total <= 0) return;
    lists.output = std::sqrt(total / (1 - std::pow(beta2, static_cast<double>(step))) / count);
    const double factor = 1 - lr * decay / lists.output;
    lists.gain = std::max(1.0, std::fabs(factor));
    for (Values& v : lists.a) {
      for (double& x : v) x *= factor;
    }
  };
  return c;
}

ListCall lookahead(Random& random) {
  const double alpha = random.real(0, 1);
  ListCall c{"optim_lookahead"};
  c.pairs = true;
  c.call = [=](Engine& e, int64_t n, T a, T b, double*) { return optim_lookahead(e, n, a, b, alpha); };
  c.invalid = [](Engine& e, int64_t n, T a, T b) { return optim_lookahead(e, n, a, b, 1.5); };
  c.loop = [=](ListValues& lists) {
    for (size_t i = 0; i < lists.a.size(); ++i) {
      for (size_t e = 0; e < lists.a[i].size(); ++e)
        lists.a[i][e] = lists.b[i][e] += alpha * (lists.a[i][e] - lists.b[i][e]);
    }
  };
  return c;
}

ListCall sam_restore(Random&) {
  ListCall c{"optim_sam_restore"};
  c.pairs = c.same_dtype = c.heeds_nonfinite = true;
  c.call = [](Engine& e, int64_t n, T a, T b, double*) { return optim_sam_restore(e, n, a, b); };
  c.invalid = [](Engine& e, int64_t, T a, T b) { return optim_sam_restore(e, -1, a, b); };
  c.loop = [](ListValues& lists) { lists.a = lists.b; };
  return c;
}

// g /= scale, and whether a number was not finite. The scale lies on the device.
ListCall unscale(Random& random) {
  const double scale = std::ldexp(1, static_cast<int>(random.between(-8, 8)));
  ListCall c{"optim_unscale"};
  c.heeds_nonfinite = true;
  c.call = [=](Engine& e, int64_t n, T a, T, double* found) {
    Buffer divisor(e, OPTIM_F32, 1), flag(e, OPTIM_F32, 1);
    divisor.write(Values{scale});
    const optim_status status =
        optim_unscale(e, n, a, static_cast<const float*>(divisor.data()), static_cast<float*>(flag.data()));
    *found = flag.values()[0];
    return status;
  };
  c.invalid = [](Engine& e, int64_t n, T a, T) { return optim_unscale(e, n, a, nullptr, nullptr); };
  c.loop = [=](ListValues& lists) {
    for (Values& v : lists.a) {
      for (double& x : v) {
        if (!std::isfinite(x)) lists.output = 1;
        x /= scale;
      }
    }
  };
  return c;
}

}  // namespace

ListCall draw_list_call(Random& random) {
  using Draw = ListCall (*)(Random&);
  return random.pick(std::vector<Draw>{agc, centralize, clip_grad_norm, clip_grad_value, lookahead, norm_loss,
                                       normalize, sam_restore, softplus, stable_weight_decay, unscale})(random);
}

}  // namespace optim_fuzz
