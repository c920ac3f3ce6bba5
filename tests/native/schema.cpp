#include "schema.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "optim/optim.h"

namespace optim_test {
namespace {

using nlohmann::json;

double number_or(const json& value, double absent) { return value.is_null() ? absent : value.get<double>(); }

Hyper parse_hyper(const json& j) {
  Hyper h;
  h.name = j.at("name").get<std::string>();
  h.kind = j.at("kind").get<std::string>();
  h.default_value = number_or(j.at("default"), std::numeric_limits<double>::quiet_NaN());
  h.minimum = number_or(j.at("minimum"), -std::numeric_limits<double>::infinity());
  h.maximum = number_or(j.at("maximum"), std::numeric_limits<double>::infinity());
  h.minimum_open = j.at("minimum_open").get<bool>();
  h.maximum_open = j.at("maximum_open").get<bool>();
  h.words = j.at("words").get<std::vector<std::string>>();
  if (!j.at("like").is_null()) h.like = j.at("like").get<std::string>();
  h.variadic = j.at("variadic").get<bool>();
  h.spellings = j.at("spellings").get<std::vector<std::string>>();
  h.doc = j.at("doc").get<std::string>();
  return h;
}

Rule parse_rule(const json& j) {
  Rule r;
  r.name = j.at("name").get<std::string>();
  r.title = j.at("title").get<std::string>();
  r.paper = j.at("paper").get<std::string>();
  r.url = j.at("url").get<std::string>();
  r.summary = j.at("summary").get<std::string>();
  r.shape = j.at("shape").get<std::string>();
  r.reach = j.at("reach").get<std::string>();
  r.needs = j.at("needs").get<std::vector<std::string>>();
  const json& cost = j.at("cost");
  r.cost = {cost.at("vector").get<double>(), cost.at("matrix").get<double>(), cost.at("vector_state").get<double>(),
            cost.at("matrix_state").get<double>()};
  for (const json& alias : j.at("aliases")) {
    r.aliases.push_back({alias.at("name").get<std::string>(), alias.at("hypers").get<std::map<std::string, double>>()});
  }
  for (const json& hyper : j.at("hypers")) r.hypers.push_back(parse_hyper(hyper));
  for (const json& slot : j.at("slots")) {
    r.slots.push_back({slot.at("name").get<std::string>(), slot.at("shape").get<std::string>(),
                       slot.at("role").get<std::string>(), !slot.at("when").is_null(),
                       slot.at("doc").get<std::string>()});
  }
  return r;
}

Schedule parse_schedule(const json& j) {
  Schedule s;
  s.name = j.at("name").get<std::string>();
  s.title = j.at("title").get<std::string>();
  s.paper = j.at("paper").get<std::string>();
  s.url = j.at("url").get<std::string>();
  s.summary = j.at("summary").get<std::string>();
  for (const json& hyper : j.at("hypers")) s.hypers.push_back(parse_hyper(hyper));
  return s;
}

// Values other than the default that a hyper can usefully take in a test.
std::vector<double> alternatives(const Hyper& h) {
  if (h.kind == "boolean") return {1 - h.default_value};
  std::vector<double> values;
  if (h.kind == "word") {
    for (size_t i = 0; i < h.words.size(); ++i) {
      if (static_cast<double>(i) != h.default_value) values.push_back(static_cast<double>(i));
    }
  } else if (h.kind == "integer") {
    const double next = h.default_value + 1;
    if (next <= h.maximum) values.push_back(next);
  } else if (h.default_value == 0 && h.minimum <= 0) {
    values.push_back(0.5 * std::min(1.0, h.maximum));
  }
  return values;
}

std::string label(const Hyper& h, double value) {
  if (h.kind == "word") return h.name + "_" + h.words[static_cast<size_t>(value)];
  if (h.kind == "boolean") return (value == 0 ? "no_" : "") + h.name;
  return h.name;
}

}  // namespace

std::vector<double> Rule::completed(std::vector<double> row) const {
  for (size_t i = 0; i < hypers.size(); ++i) {
    if (!hypers[i].like.empty() && row[i] == 0) row[i] = row[static_cast<size_t>(index_of(hypers[i].like))];
  }
  return row;
}

int Rule::index_of(const std::string& hyper) const {
  for (size_t i = 0; i < hypers.size(); ++i) {
    if (hypers[i].name == hyper) return static_cast<int>(i);
  }
  return -1;
}

std::vector<double> Rule::defaults() const {
  std::vector<double> row;
  for (const Hyper& h : hypers) row.push_back(h.default_value);
  return row;
}

const std::vector<Rule>& rules() {
  static const std::vector<Rule> all = [] {
    std::vector<Rule> parsed;
    const json document = json::parse(optim_schema_json());
    for (const json& rule : document.at("rules")) parsed.push_back(parse_rule(rule));
    return parsed;
  }();
  return all;
}

const std::vector<Schedule>& schedules() {
  static const std::vector<Schedule> all = [] {
    std::vector<Schedule> parsed;
    const json document = json::parse(optim_schema_json());
    for (const json& schedule : document.at("schedules")) parsed.push_back(parse_schedule(schedule));
    return parsed;
  }();
  return all;
}

const std::vector<Hyper>& helper_options() {
  static const std::vector<Hyper> all = [] {
    std::vector<Hyper> parsed;
    const json document = json::parse(optim_schema_json());
    for (const json& option : document.at("helpers")) parsed.push_back(parse_hyper(option));
    return parsed;
  }();
  return all;
}

const Rule* find_rule(const std::string& name) {
  for (const Rule& rule : rules()) {
    if (rule.name == name) return &rule;
  }
  return nullptr;
}

std::vector<double> without_own_helpers(const Rule& rule, std::vector<double> row) {
  for (const char* off : {"use_gc", "agc_clipping_value", "centralize_gradients", "normalize_gradients",
                          "norm_loss_factor", "lookahead_merge_time"}) {
    row = with(rule, std::move(row), off, 0);
  }
  // Norm loss comes with stable decay, which divides by a sum over all parameters.
  if (rule.index_of("norm_loss_factor") >= 0) row = with(rule, std::move(row), "weight_decay", 0);
  return with(rule, with(rule, std::move(row), "disable_lr_scheduler", 1), "k", 1000);
}

std::vector<double> with(const Rule& rule, std::vector<double> row, const std::string& hyper, double value) {
  const int index = rule.index_of(hyper);
  if (index >= 0) row[static_cast<size_t>(index)] = value;
  return row;
}

std::vector<Variant> variants(const Rule& rule) {
  const std::vector<double> plain = with(rule, rule.defaults(), "lr", 0.02);
  const std::vector<double> rich = with(rule, with(rule, plain, "momentum", 0.9), "weight_decay", 0.1);
  std::vector<Variant> all{{"default", plain}, {"momentum_and_decay", rich}};
  std::vector<std::vector<double>> choices(rule.hypers.size());
  for (size_t i = 0; i < rule.hypers.size(); ++i) {
    const Hyper& h = rule.hypers[i];
    if (h.name == "lr" || h.name == "momentum" || h.name == "weight_decay") continue;
    choices[i] = alternatives(h);
    for (double value : choices[i]) {
      std::vector<double> row = rich;
      row[i] = value;
      all.push_back({label(h, value), row});
    }
  }
  // Two mixed rows: every second and every third switch at once.
  for (size_t stride : {2, 3}) {
    std::vector<double> row = rich;
    size_t seen = 0;
    for (size_t i = 0; i < choices.size(); ++i) {
      if (!choices[i].empty() && seen++ % stride == 0) row[i] = choices[i].front();
    }
    all.push_back({"mixed_" + std::to_string(stride), row});
  }
  return all;
}

}  // namespace optim_test
