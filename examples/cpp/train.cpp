// Trains a network with one hidden layer to tell two half-moons apart, by LAMB: train [--device cpu|cuda]
//
// Two groups: weights decay, biases do not. Gradients are clipped by their norm inside the step. Parameters, gradients
// and states are in memory of the device; this program computes its gradients on the host and copies them, one that
// computes on the device copies nothing.
#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <optim/optim.hpp>
#include <string>
#include <vector>

namespace {

constexpr int hidden = 16, points = 200, steps = 500;
constexpr int w1 = 0, w2 = 2 * hidden, b1 = w2 + hidden, b2 = b1 + hidden, parameters = b2 + 1;  // where tensors begin

struct Point {
  double x, y, label;
};

std::vector<Point> two_moons() {
  std::vector<Point> result;
  for (int i = 0; i < points; ++i) {
    const double angle = 3.14159265358979 * (i / 2) / (points / 2 - 1);
    const double noise = ((i * 53 + 7) % 31 - 15) / 150.0;
    const bool upper = i % 2 == 0;
    result.push_back({upper ? std::cos(angle) + noise : 1 - std::cos(angle) - noise,
                      upper ? std::sin(angle) - noise : 0.5 - std::sin(angle) + noise, upper ? 1.0 : 0.0});
  }
  return result;
}

struct Result {
  double loss, accuracy;
};

// The mean cross entropy and its gradient.
Result evaluate(const std::vector<Point>& data, const std::vector<float>& p, std::vector<float>& g) {
  Result result{0, 0};
  std::fill(g.begin(), g.end(), 0.0f);
  for (const Point& point : data) {
    std::array<double, hidden> h{};
    double logit = p[b2];
    for (int j = 0; j < hidden; ++j) {
      h[j] = std::tanh(p[w1 + 2 * j] * point.x + p[w1 + 2 * j + 1] * point.y + p[b1 + j]);
      logit += p[w2 + j] * h[j];
    }
    const double probability = 1 / (1 + std::exp(-logit));
    result.loss -= std::log(point.label > 0 ? probability : 1 - probability) / points;
    result.accuracy += ((logit > 0) == (point.label > 0) ? 1.0 : 0.0) / points;
    const double error = (probability - point.label) / points;
    for (int j = 0; j < hidden; ++j) {
      const double inner = error * p[w2 + j] * (1 - h[j] * h[j]);
      g[w1 + 2 * j] += static_cast<float>(inner * point.x);
      g[w1 + 2 * j + 1] += static_cast<float>(inner * point.y);
      g[b1 + j] += static_cast<float>(inner);
      g[w2 + j] += static_cast<float>(error * h[j]);
    }
    g[b2] += static_cast<float>(error);
  }
  return result;
}

double train(std::int32_t device) {
  const optim::Engine engine(device);
  std::printf("%s\n", engine.description().c_str());

  std::vector<float> p(parameters), g(parameters);
  for (int i = 0; i < b1; ++i)
    p[i] = static_cast<float>(((i * 37 + 11) % 64 - 31.5) / 32);  // weights in (-1, 1); biases 0
  const optim::Buffer params(engine, sizeof(float) * p.size()), grads(engine, sizeof(float) * g.size());
  engine.copy(params.data(), p.data(), sizeof(float) * p.size());
  const auto at = [](const optim::Buffer& buffer, int begin) { return static_cast<float*>(buffer.data()) + begin; };

  const std::array<optim_tensor, 4> tensors{
      optim::tensor(at(params, w1), OPTIM_F32, {hidden, 2}), optim::tensor(at(params, w2), OPTIM_F32, {1, hidden}),
      optim::tensor(at(params, b1), OPTIM_F32, {hidden}), optim::tensor(at(params, b2), OPTIM_F32, {1})};
  const std::array<std::int64_t, 4> groups{0, 0, 1, 1};
  // lr, beta1, beta2, eps and weight_decay of each group; the rest take their defaults.
  const std::array<double, 10> hypers{0.01, 0.9, 0.999, 1e-6, 0.01, 0.01, 0.9, 0.999, 1e-6, 0};
  optim_helpers helpers = optim::sized<optim_helpers>();
  helpers.clip_norm = 1;
  optim_plan_options options = optim::sized<optim_plan_options>();
  options.rule = "lamb";
  options.group_count = 2;
  options.hyper_count = 5;
  options.hypers = hypers.data();
  options.tensor_count = static_cast<std::int64_t>(tensors.size());
  options.params = tensors.data();
  options.group_of = groups.data();
  options.helpers = &helpers;
  const optim::Plan plan(engine, options, {at(params, w1), at(params, w2), at(params, b1), at(params, b2)},
                         {at(grads, w1), at(grads, w2), at(grads, b1), at(grads, b2)});

  const std::vector<Point> data = two_moons();
  for (int step = 1; step <= steps; ++step) {
    const Result result = evaluate(data, p, g);
    if (step == 1 || step % 100 == 0)
      std::printf("step %4d  loss %.4f  accuracy %.3f\n", step, result.loss, result.accuracy);
    engine.copy(grads.data(), g.data(), sizeof(float) * g.size());
    plan.step();
    engine.copy(p.data(), params.data(), sizeof(float) * p.size());  // waits for the step
  }
  return evaluate(data, p, g).accuracy;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string device = argc == 1 ? "cpu" : argc == 3 && std::string(argv[1]) == "--device" ? argv[2] : "";
    if (device != "cpu" && device != "cuda") throw std::invalid_argument("usage: train [--device cpu|cuda]");
    return train(device == "cuda" ? OPTIM_CUDA : OPTIM_CPU) > 0.98 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
