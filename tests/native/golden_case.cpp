#include "golden_case.h"

#include <functional>
#include <limits>
#include <map>
#include <stdexcept>

namespace optim_test {
namespace {

using nlohmann::json;

// One helper in a composed trajectory: what switches it on, and where its numbers go.
struct HelperFields {
  std::function<void(optim_helpers&)> enable;
  std::map<std::string, std::function<void(optim_helpers&, double)>> fields;
};

const std::map<std::string, HelperFields>& helper_fields() {
  using H = optim_helpers;
  static const std::map<std::string, HelperFields> table{
      {"agc",
       {[](H&) {},
        {{"agc_clip_val", [](H& h, double v) { h.agc_clip_val = v; }},
         {"agc_eps", [](H& h, double v) { h.agc_eps = v; }},
         {"eps", [](H& h, double v) { h.agc_division_eps = v; }}}}},
      {"gc",
       {[](H& h) { h.centralize = 1; }, {{"gc_conv_only", [](H& h, double v) { h.centralize_conv_only = v != 0; }}}}},
      {"gradnorm",
       {[](H& h) { h.normalize = 1; },
        {{"use_channels", [](H& h, double v) { h.normalize_channels = v != 0; }},
         {"epsilon", [](H& h, double v) { h.normalize_eps = v; }}}}},
      {"normloss",
       {[](H&) {},
        {{"norm_loss_factor", [](H& h, double v) { h.norm_loss_factor = v; }},
         {"eps", [](H& h, double v) { h.norm_loss_eps = v; }}}}},
      {"lookahead",
       {[](H&) {},
        {{"k", [](H& h, double v) { h.lookahead_k = static_cast<int32_t>(v); }},
         {"alpha", [](H& h, double v) { h.lookahead_alpha = v; }},
         {"pullback_momentum", [](H& h, double v) { h.lookahead_pullback = static_cast<int32_t>(v); }}}}},
      {"sam",  // a step before each of the plan's, by plans of its own
       {[](H&) {}, {{"rho", [](H&, double) {}}, {"adaptive", [](H&, double) {}}, {"perturb_eps", [](H&, double) {}}}}}};
  return table;
}

double number(const GoldenFile& file, const std::string& key, const json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number()) return value.get<double>();
  static const std::map<std::string, double> words{{"inf", std::numeric_limits<double>::infinity()},
                                                   {"none", OPTIM_PULLBACK_NONE},
                                                   {"reset", OPTIM_PULLBACK_RESET},
                                                   {"pullback", OPTIM_PULLBACK_PULLBACK}};
  const auto word = words.find(value.is_string() ? value.get<std::string>() : "");
  if (word == words.end()) throw std::runtime_error(file.name + ": cannot use " + key + " = " + value.dump());
  return word->second;
}

// Sets the hyper of that name in the row; false when the rule has none.
bool set_hyper(const GoldenFile& file, const Rule& rule, const std::string& key, const json& value,
               std::vector<double>& row) {
  const int index = rule.index_of(key);
  if (index < 0) return false;
  if (value.is_null()) return true;  // the default
  const Hyper& hyper = rule.hypers[static_cast<size_t>(index)];
  double& target = row[static_cast<size_t>(index)];
  if (hyper.kind != "word") {
    target = number(file, key, value);
    return true;
  }
  for (size_t i = 0; i < hyper.words.size(); ++i) {
    if (hyper.words[i] == value.get<std::string>()) {
      target = static_cast<double>(i);
      return true;
    }
  }
  throw std::runtime_error(file.name + ": " + rule.name + " has no word " + value.dump() + " for " + key);
}

struct Parts {
  std::string rule;
  std::string helper;  // empty: none
};

Parts parts_of(const GoldenFile& file) {
  if (file.optimizer == "lookahead") return {file.hypers.at("base").get<std::string>(), "lookahead"};
  if (file.optimizer == "sam") return {"sgd", "sam"};
  const size_t plus = file.optimizer.find('+');
  if (plus == std::string::npos) return {file.optimizer, ""};
  return {file.optimizer.substr(0, plus), file.optimizer.substr(plus + 1)};
}

// ---- direct cases
// ----------------------------------------------------------------------------------------------------

// The tensors `in.NAME` or `in.NAME.I` of a file on a device.
class Tensors {
 public:
  Tensors(Engine& engine, const GoldenFile& file, const std::string& name, int32_t dtype) {
    for (const GoldenTensor* t : file.list("in." + name)) {
      buffers_.push_back(std::make_unique<Buffer>(engine, dtype, static_cast<int64_t>(t->values.size())));
      buffers_.back()->write(t->values);
      views_.push_back(tensor_view(t->shape, dtype, buffers_.back()->data()));
    }
    single_ = file.has("in." + name);
  }

  int64_t count() const { return static_cast<int64_t>(views_.size()); }
  const optim_tensor* views() const { return views_.data(); }

  Outputs outputs(const std::string& name) const {
    Outputs all;
    for (size_t i = 0; i < buffers_.size(); ++i) {
      all.emplace_back(single_ ? name : name + "." + std::to_string(i), buffers_[i]->values());
    }
    return all;
  }

 private:
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<optim_tensor> views_;
  bool single_ = false;
};

using Direct = std::function<Outputs(Engine&, const GoldenFile&, int32_t)>;

double hyper(const GoldenFile& file, const std::string& key) { return number(file, key, file.hypers.at(key)); }

Outputs plus(Outputs all, const std::string& name, double value) {
  all.emplace_back(name, Values{value});
  return all;
}

const std::map<std::string, Direct>& direct_functions() {
  static const std::map<std::string, Direct> table{
      {"agc",
       [](Engine& e, const GoldenFile& f, int32_t dtype) {
         const Tensors params(e, f, "param", dtype);
         const Tensors grads(e, f, "grad", dtype);
         check(optim_agc(e, grads.count(), params.views(), grads.views(), hyper(f, "agc_clip_val"), hyper(f, "agc_eps"),
                         hyper(f, "eps")));
         return grads.outputs("out.grad");
       }},
      {"softplus",
       [](Engine& e, const GoldenFile& f, int32_t dtype) {
         const Tensors x(e, f, "x", dtype);
         check(optim_softplus(e, x.count(), x.views(), hyper(f, "beta_softplus")));
         return x.outputs("out.y");
       }},
      {"gradient_centralization",
       [](Engine& e, const GoldenFile& f, int32_t dtype) {
         const Tensors grads(e, f, "grad", dtype);
         check(optim_centralize(e, grads.count(), grads.views(), static_cast<int32_t>(hyper(f, "gc_conv_only"))));
         return grads.outputs("out.grad");
       }},
      {"gradient_normalization",
       [](Engine& e, const GoldenFile& f, int32_t dtype) {
         const Tensors grads(e, f, "grad", dtype);
         check(optim_normalize(e, grads.count(), grads.views(), static_cast<int32_t>(hyper(f, "use_channels")),
                               hyper(f, "epsilon")));
         return grads.outputs("out.grad");
       }},
      {"norm_loss",
       [](Engine& e, const GoldenFile& f, int32_t dtype) {
         const Tensors params(e, f, "param", dtype);
         check(optim_norm_loss(e, params.count(), params.views(), hyper(f, "lr"), hyper(f, "norm_loss_factor"),
                               hyper(f, "eps")));
         return params.outputs("out.param");
       }},
      {"clip_by_global_norm",
       [](Engine& e, const GoldenFile& f, int32_t dtype) {
         const Tensors grads(e, f, "grad", dtype);
         double total = 0;
         check(optim_clip_grad_norm(e, grads.count(), grads.views(), hyper(f, "max_norm"), hyper(f, "norm_type"),
                                    hyper(f, "eps"), &total));
         return plus(grads.outputs("out.grad"), "out.norm", total);
       }},
      {"clip_by_value",
       [](Engine& e, const GoldenFile& f, int32_t dtype) {
         const Tensors grads(e, f, "grad", dtype);
         check(optim_clip_grad_value(e, grads.count(), grads.views(), hyper(f, "clip_value")));
         return grads.outputs("out.grad");
       }},
      {"stable_weight_decay",
       [](Engine& e, const GoldenFile& f, int32_t dtype) {
         const Tensors params(e, f, "param", dtype);
         const Tensors moments(e, f, "v", dtype);
         double rms = 0;
         check(optim_stable_weight_decay(e, params.count(), params.views(), moments.views(), hyper(f, "lr"),
                                         hyper(f, "weight_decay"), hyper(f, "beta2"),
                                         static_cast<int64_t>(hyper(f, "step")), &rms));
         return plus(params.outputs("out.param"), "out.rms", rms);
       }},
      {"pcgrad",
       [](Engine& e, const GoldenFile& f, int32_t dtype) {
         const GoldenTensor& has_grad = f.at("in.has_grad");
         const Values& order = f.at("in.order").values;
         std::vector<std::unique_ptr<Tensors>> tasks;
         std::vector<optim_tensor> grads;
         for (int64_t i = 0; i < has_grad.shape[0]; ++i) {
           tasks.push_back(std::make_unique<Tensors>(e, f, "grad." + std::to_string(i), dtype));
           for (int64_t t = 0; t < tasks.back()->count(); ++t) {
             grads.push_back(tasks.back()->views()[t]);
             if (has_grad.values[grads.size() - 1] == 0) grads.back().data = nullptr;
           }
         }
         const Tensors merged(e, f, "grad.0", dtype);
         const bool mean = f.hypers.at("reduction") == "mean";
         check(optim_pcgrad(e, has_grad.shape[0], merged.count(), grads.data(), merged.views(),
                            std::vector<int64_t>(order.begin(), order.end()).data(),
                            mean ? OPTIM_REDUCTION_MEAN : OPTIM_REDUCTION_SUM));
         return merged.outputs("out.grad");
       }},
      {"sam_perturb",
       [](Engine& e, const GoldenFile& f, int32_t dtype) {
         const Tensors params(e, f, "param", dtype), grads(e, f, "grad", dtype), old(e, f, "grad", dtype);
         check(optim_sam_perturb(e, params.count(), params.views(), grads.views(), old.views(), hyper(f, "rho"),
                                 static_cast<int32_t>(hyper(f, "adaptive")), hyper(f, "perturb_eps"),
                                 static_cast<int32_t>(hyper(f, "use_gc")), hyper(f, "asam_eta")));
         Outputs outputs = params.outputs("out.perturbed");
         check(optim_sam_restore(e, params.count(), params.views(), old.views()));
         for (const auto& restored : params.outputs("out.restored")) outputs.push_back(restored);
         return outputs;
       }},
      {"unit_norm", [](Engine& e, const GoldenFile& f, int32_t dtype) {
         const Tensors x(e, f, "x", dtype);
         Values norms(f.at("out.norm").values.size());
         check(optim_unit_norm(e, x.views(), norms.data()));
         return Outputs{{"out.norm", norms}};
       }}};
  return table;
}

}  // namespace

bool is_built([[maybe_unused]] const GoldenFile& file) {
#ifdef OPTIM_SOME_RULES
  return file.direct() || find_rule(parts_of(file).rule) != nullptr;
#else
  return true;
#endif
}

PlanSpec plan_of(const GoldenFile& file, int32_t dtype) {
  const Parts parts = parts_of(file);
  const Rule* rule = find_rule(parts.rule);
  if (rule == nullptr) throw std::runtime_error(file.name + ": no rule " + parts.rule + " is registered");
  PlanSpec spec{parts.rule, {}, {rule->defaults()}};
  spec.param = spec.grad = spec.state = dtype;
  if (file.source.find("pytorch_optimizer") != std::string::npos) spec.steps_by_group = {1};  // as it counts
  for (int64_t i = 0; i < file.param_count(); ++i) {
    spec.tensors.push_back({file.at("param." + std::to_string(i) + ".init").shape});
  }
  const HelperFields none{[](optim_helpers&) {}, {}};
  const HelperFields& helper = parts.helper.empty() ? none : helper_fields().at(parts.helper);
  helper.enable(spec.helpers);
  for (const auto& [key, value] : file.hypers.items()) {
    if (const auto field = helper.fields.find(key); field != helper.fields.end()) {
      field->second(spec.helpers, number(file, key, value));
    } else if (!set_hyper(file, *rule, key, value, spec.hypers[0]) && parts.helper != "lookahead") {
      // Lookahead cases list the hyper-parameters of every base, so only there a foreign one says nothing.
      throw std::runtime_error(file.name + ": " + rule->name + " has no hyper-parameter " + key);
    }
  }
  return spec;
}

std::vector<double> sharpness_of(const GoldenFile& file) {
  if (file.optimizer != "sam") return {};
  return {hyper(file, "rho"), hyper(file, "adaptive"), hyper(file, "perturb_eps")};
}

Outputs run_direct(Engine& engine, const GoldenFile& file, int32_t dtype) {
  const auto function = direct_functions().find(file.optimizer);
  if (function == direct_functions().end()) {
    throw std::runtime_error(file.name + ": no function is known for " + file.optimizer);
  }
  return function->second(engine, file, dtype);
}

bool is_about(const std::string& optimizer, const std::string& rule) {
  return optimizer == rule || optimizer.rfind(rule + "+", 0) == 0;
}

}  // namespace optim_test
