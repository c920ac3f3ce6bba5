#include <cmath>
#include <nlohmann/json.hpp>

#include "core/registry.h"

namespace optim {
namespace {

using Json = nlohmann::ordered_json;

Json bound(double value) { return std::isinf(value) ? Json(nullptr) : Json(value); }

Json hyper_json(const HyperInfo& hyper) {
  static const char* const kinds[] = {"real", "integer", "boolean", "word"};
  Json words = Json::array();
  for (const char* word : hyper.range.words) {
    if (word != nullptr) words.push_back(word);
  }
  return {{"name", hyper.name},
          {"default", hyper.default_value},
          {"minimum", bound(hyper.range.minimum)},
          {"maximum", bound(hyper.range.maximum)},
          {"minimum_open", hyper.range.minimum_open},
          {"maximum_open", hyper.range.maximum_open},
          {"kind", kinds[static_cast<int>(hyper.range.kind)]},
          {"words", words},
          {"doc", hyper.doc}};
}

Json slot_json(const SlotInfo& slot, const RuleInfo& rule) {
  static const char* const shapes[] = {"param", "row", "unit", "tensor", "scalar", "matrix"};
  static const char* const initials[] = {"zero", "param", "identity", "unit"};
  static const char* const roles[] = {"none", "first_moment", "second_moment"};
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

Json rule_json(const RuleInfo& rule) {
  static const char* const shapes[] = {"elementwise", "reduced", "matrix"};
  Json hypers = Json::array();
  for (const HyperInfo& hyper : rule.hypers) hypers.push_back(hyper_json(hyper));
  Json slots = Json::array();
  for (const SlotInfo& slot : rule.slots) slots.push_back(slot_json(slot, rule));
  return {{"name", rule.name},   {"title", rule.title},     {"paper", rule.paper},
          {"url", rule.url},     {"summary", rule.summary}, {"shape", shapes[static_cast<int>(rule.shape)]},
          {"needs", rule.needs}, {"hypers", hypers},        {"slots", slots}};
}

}  // namespace

const std::string& schema_json() {
  static const std::string text = [] {
    Json rules = Json::array();
    for (const RuleInfo& rule : registry()) {
      if (rule.listed) rules.push_back(rule_json(rule));
    }
    return Json{{"format", "optim-schema-1"}, {"rules", rules}}.dump(1);
  }();
  return text;
}

}  // namespace optim
