// The catalogue is complete and consistent, whatever is registered.
#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "session.h"

namespace optim_test {
namespace {

// Names are compared without regard to case and to what separates their words.
std::string key_of(const std::string& name) {
  std::string key;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      key += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return key;
}

TEST(Catalogue, DocumentIsWellFormed) {
  const nlohmann::json document = nlohmann::json::parse(optim_schema_json());
  EXPECT_EQ(document.at("format"), "optim-schema-1");
  EXPECT_EQ(document.at("rules").size(), rules().size());
  EXPECT_FALSE(rules().empty());
  EXPECT_EQ(optim_schema_json(), optim_schema_json()) << "the document has static storage";
}

TEST(Catalogue, RulesAreDescribed) {
  std::set<std::string> names;
  for (const Rule& rule : rules()) {
    SCOPED_TRACE(rule.name);
    EXPECT_TRUE(names.insert(rule.name).second) << "registered twice";
    EXPECT_FALSE(rule.title.empty());
    EXPECT_FALSE(rule.paper.empty());
    EXPECT_FALSE(rule.url.empty());
    EXPECT_FALSE(rule.summary.empty());
    EXPECT_TRUE(rule.shape == "elementwise" || rule.shape == "reduced" || rule.shape == "matrix") << rule.shape;
    EXPECT_GE(rule.index_of("lr"), 0);
  }
}

void expect_described(const std::vector<Hyper>& hypers) {
  std::set<std::string> names;
  for (const Hyper& h : hypers) {
    SCOPED_TRACE(h.name);
    EXPECT_TRUE(names.insert(h.name).second) << "listed twice";
    EXPECT_FALSE(h.doc.empty());
    EXPECT_TRUE(h.minimum_open ? h.default_value > h.minimum : h.default_value >= h.minimum);
    EXPECT_TRUE(h.maximum_open ? h.default_value < h.maximum : h.default_value <= h.maximum);
    EXPECT_TRUE(h.kind == "real" || h.kind == "integer" || h.kind == "boolean" || h.kind == "word") << h.kind;
    EXPECT_EQ(h.kind == "word", !h.words.empty());
    const double last_word = static_cast<double>(h.words.size()) - 1;
    EXPECT_TRUE(h.words.empty() || h.maximum == last_word) << h.maximum;
  }
}

TEST(Catalogue, HypersAreDescribed) {
  for (const Rule& rule : rules()) {
    SCOPED_TRACE(rule.name);
    expect_described(rule.hypers);
  }
}

TEST(Catalogue, HelpersAreDescribed) {
  ASSERT_FALSE(helper_options().empty());
  expect_described(helper_options());
}

// Other names never stand for two things.
TEST(Catalogue, SpellingsAndAliasesAreUnique) {
  std::set<std::string> rule_names;
  for (const Rule& rule : rules()) {
    for (const std::string& name : {rule.name, rule.title}) rule_names.insert(key_of(name));
  }
  for (const Rule& rule : rules()) {
    SCOPED_TRACE(rule.name);
    std::set<std::string> names;
    for (const Hyper& h : rule.hypers) {
      EXPECT_TRUE(names.insert(h.name).second) << h.name;
      for (const std::string& spelling : h.spellings) EXPECT_TRUE(names.insert(spelling).second) << spelling;
    }
    for (const Alias& alias : rule.aliases) {
      EXPECT_TRUE(rule_names.insert(key_of(alias.name)).second) << alias.name << " is taken";
      EXPECT_FALSE(alias.hypers.empty()) << alias.name;
      Engine engine;
      std::vector<double> row = rule.defaults();
      for (const auto& [hyper, value] : alias.hypers) {
        ASSERT_GE(rule.index_of(hyper), 0) << alias.name << " sets " << hyper;
        row = with(rule, row, hyper, value);
      }
      EXPECT_NE(row, rule.defaults()) << alias.name;
      const Session session(engine, {rule.name, {{{3}}}, {row}});  // the values are allowed
    }
  }
}

TEST(Catalogue, SlotsOfPlansAreThoseOfTheSchema) {
  const std::map<std::string, Shape> shapes{
      {"param", {4, 3, 5}}, {"row", {4, 1, 1}}, {"unit", {4, 1, 1}}, {"tensor", {1}}, {"scalar", {}}};
  Engine engine;
  for (const Rule& rule : rules()) {
    for (const Variant& variant : accepted_variants(engine, rule)) {
      SCOPED_TRACE(rule.name + " " + variant.name);
      Session session(engine, {rule.name, {{{4, 3, 5}}}, {variant.hypers}});
      for (const auto& slot : session.slots(0)) {
        const Slot* described = nullptr;
        for (const Slot& s : rule.slots) {
          const bool numbered = s.shape == "matrix" && slot.name.rfind(s.name + "_", 0) == 0;
          if (s.name == slot.name || numbered) described = &s;
        }
        ASSERT_NE(described, nullptr) << slot.name << " is not in the schema";
        if (described->shape == "matrix") {
          ASSERT_EQ(slot.shape.size(), 2u);
          EXPECT_EQ(slot.shape[0], slot.shape[1]);
        } else {
          EXPECT_EQ(slot.shape, shapes.at(described->shape)) << slot.name;
        }
      }
    }
  }
}

// The cost line of the schema is what a plan of such a tensor says of itself.
TEST(Catalogue, CostIsThatOfPlans) {
  Engine engine;
  for (const Rule& rule : rules()) {
    const std::pair<Shape, std::pair<double, double>> tensors[] = {
        {{256}, {rule.cost.vector, rule.cost.vector_state}}, {{256, 256}, {rule.cost.matrix, rule.cost.matrix_state}}};
    for (const auto& [shape, cost] : tensors) {
      SCOPED_TRACE(rule.name + " " + std::to_string(shape.size()));
      Session session(engine, {rule.name, {{shape}}, {rule.defaults()}});
      session.start();
      const double bytes = 4.0 * static_cast<double>(session.param_buffer(0).count());
      uint64_t moved = 0;
      check(optim_plan_bytes_per_step(session.plan(), &moved));
      EXPECT_EQ(static_cast<double>(moved) / bytes, cost.first);
      double kept = 0;
      for (size_t i = 0; i < session.slots(0).size(); ++i)
        kept += static_cast<double>(session.state_buffer(0, i).bytes().size());
      EXPECT_EQ(kept / bytes, cost.second);
      EXPECT_GE(cost.first, 3) << "a step reads parameter and gradient, and writes the parameter";
    }
  }
}

TEST(Catalogue, StatesOfHelpersFollowThoseOfTheRule) {
  Engine engine;
  for (const Rule& rule : rules()) {
    const bool own_slow_params =
        std::any_of(rule.slots.begin(), rule.slots.end(), [](const Slot& s) { return s.role == "slow_params"; });
    if (own_slow_params) continue;  // the helper then uses the rule's
    SCOPED_TRACE(rule.name);
    PlanSpec spec{rule.name, {{{4, 3}}}, {variants(rule)[1].hypers}};
    const size_t own = Session(engine, spec).slots(0).size();
    spec.helpers.lookahead_k = 5;
    spec.helpers.lookahead_alpha = 0.5;
    Session session(engine, spec);
    ASSERT_EQ(session.slots(0).size(), own + 1);
    EXPECT_EQ(session.slots(0).back().name, "slow_params");
    EXPECT_EQ(session.slots(0).back().shape, Shape({4, 3}));
  }
}

TEST(Catalogue, Version) {
  EXPECT_EQ(std::string(optim_version()), std::to_string(OPTIM_VERSION_MAJOR) + "." +
                                              std::to_string(OPTIM_VERSION_MINOR) + "." +
                                              std::to_string(OPTIM_VERSION_PATCH));
}

TEST(Catalogue, StatusNames) {
  std::set<std::string> names;
  for (optim_status status = OPTIM_OK; status <= OPTIM_INTERNAL; ++status) {
    const std::string name = optim_status_name(status);
    EXPECT_EQ(name.rfind("OPTIM_", 0), 0u) << name;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_STREQ(optim_status_name(OPTIM_OK), "OPTIM_OK");
  for (optim_status status : {-1, OPTIM_INTERNAL + 1, INT32_MAX, INT32_MIN}) {
    EXPECT_STREQ(optim_status_name(status), "OPTIM_UNKNOWN_STATUS");
  }
}

TEST(Catalogue, Devices) {
  int32_t count = -1;
  EXPECT_EQ(optim_device_count(OPTIM_CPU, &count), OPTIM_OK);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(optim_device_count(OPTIM_CUDA, &count), OPTIM_OK) << "no CUDA is no error";
  EXPECT_GE(count, 0);
  for (int32_t device : devices()) {
    Engine engine(device);
    const char* description = nullptr;
    check(optim_engine_description(engine, &description));
    EXPECT_NE(std::string(description), "");
    EXPECT_EQ(std::string(description).find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace optim_test
