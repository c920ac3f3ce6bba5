#include <cmath>
#include <nlohmann/json.hpp>

#include "core/cost.h"
#include "core/reach.h"
#include "core/registry.h"
#include "core/schedule_registry.h"
#include "helpers/options.h"

namespace optim {
namespace {

using Json = nlohmann::ordered_json;

Json bound(double value) { return std::isinf(value) ? Json(nullptr) : Json(value); }

Json hyper_json(const HyperInfo& hyper, const std::vector<HyperInfo>& all, bool variadic = false) {
  static const char* const kinds[] = {"real", "integer", "boolean", "word"};
  Json words = Json::array();
  for (const char* word : hyper.range.words) {
    if (word != nullptr) words.push_back(word);
  }
  return {{"name", hyper.name},
          {"default", std::isnan(hyper.default_value) ? Json(nullptr) : Json(hyper.default_value)},
          {"minimum", bound(hyper.range.minimum)},
          {"maximum", bound(hyper.range.maximum)},
          {"minimum_open", hyper.range.minimum_open},
          {"maximum_open", hyper.range.maximum_open},
          {"kind", kinds[static_cast<int>(hyper.range.kind)]},
          {"words", words},
          {"like", hyper.like < 0 ? Json(nullptr) : Json(all[static_cast<std::size_t>(hyper.like)].name)},
          {"variadic", variadic},
          {"spellings", hyper.spellings},
          {"doc", hyper.doc}};
}

Json slot_json(const SlotInfo& slot, const RuleInfo& rule) {
  static const char* const shapes[] = {"param", "copy", "row", "unit", "tensor", "scalar", "matrix"};
  static const char* const initials[] = {"zero", "param", "identity", "unit"};
  // What a second moment is made of is the engines' business.
  static const char* const roles[] = {"none", "first_moment", "second_moment", "second_moment", "fixed", "slow_params"};
  Json words = Json::array();
  for (int v = 0; v < Range::max_words && slot.values != 0; ++v) {
    if ((slot.values >> v & 1u) != 0) words.push_back(rule.hypers[slot.when].range.words[v]);
  }
  return {{"name", slot.name},
          {"shape", shapes[static_cast<int>(slot.shape)]},
          {"initial", initials[static_cast<int>(slot.initial)]},
          {"role", roles[static_cast<int>(slot.role)]},
          {"when", slot.when < 0 ? Json(nullptr) : Json(rule.hypers[slot.when].name)},
          {"when_words", words},
          {"doc", slot.doc}};
}

Json cost_json(const DefaultCost& cost) {
  return {{"vector", cost.vector},
          {"matrix", cost.matrix},
          {"vector_state", cost.vector_state},
          {"matrix_state", cost.matrix_state}};
}

Json rule_json(const RuleInfo& rule) {
  static const char* const shapes[] = {"elementwise", "reduced", "matrix"};
  static const char* const reaches[] = {"element", "row", "tensor", "all"};
  Json hypers = Json::array();
  for (const HyperInfo& hyper : rule.hypers) hypers.push_back(hyper_json(hyper, rule.hypers));
  Json aliases = Json::array();
  for (const AliasInfo& alias : rule.aliases)
    aliases.push_back({{"name", alias.name}, {"hypers", {{alias.hyper, alias.value}}}});
  Json slots = Json::array();
  Json needs = Json::array();
  for (const SlotInfo& slot : rule.slots) {
    if (slot.role == Role::input) {
      needs.push_back(slot.name);
    } else {
      slots.push_back(slot_json(slot, rule));
    }
  }
  return {{"name", rule.name},       {"title", rule.title},
          {"paper", rule.paper},     {"url", rule.url},
          {"summary", rule.summary}, {"shape", shapes[static_cast<int>(rule.shape)]},
          {"needs", needs},          {"reach", reaches[static_cast<int>(default_reach(rule))]},
          {"aliases", aliases},      {"cost", cost_json(default_cost(rule))},
          {"hypers", hypers},        {"slots", slots}};
}

Json schedule_json(const ScheduleInfo& schedule) {
  Json hypers = Json::array();
  for (const HyperInfo& hyper : schedule.hypers) {
    hypers.push_back(hyper_json(hyper, schedule.hypers, schedule.variadic && &hyper == &schedule.hypers.back()));
  }
  return {{"name", schedule.name}, {"title", schedule.title},     {"paper", schedule.paper},
          {"url", schedule.url},   {"summary", schedule.summary}, {"hypers", hypers}};
}

}  // namespace

const std::string& schema_json() {
  static const std::string text = [] {
    Json rules = Json::array();
    for (const RuleInfo& rule : registry()) {
      if (rule.listed) rules.push_back(rule_json(rule));
    }
    Json schedules = Json::array();
    for (const ScheduleInfo& schedule : schedule_registry()) schedules.push_back(schedule_json(schedule));
    const std::vector<HyperInfo> options = describe_hypers(helper_options::all);
    Json helpers = Json::array();
    for (const HyperInfo& option : options) helpers.push_back(hyper_json(option, options));
    return Json{{"format", "optim-schema-1"}, {"rules", rules}, {"schedules", schedules}, {"helpers", helpers}}.dump(1);
  }();
  return text;
}

}  // namespace optim
