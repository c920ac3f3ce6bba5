// The catalogue of rules as the library publishes it. Tests loop over it; none of them lists optimizers by hand.
#pragma once

#include <limits>
#include <map>
#include <string>
#include <vector>

namespace optim_test {

struct Hyper {
  std::string name;
  double default_value = 0;  // NaN: there is none
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool minimum_open = false;
  bool maximum_open = false;
  std::string kind;  // real, integer, boolean, word
  std::vector<std::string> words;
  std::string like;                    // the hyper whose value in a new plan 0 stands for; empty: 0 is 0
  bool variadic = false;               // the rest of a row of values
  std::vector<std::string> spellings;  // what other libraries call it
  std::string doc;
};

struct Slot {
  std::string name;
  std::string shape;  // param, row, unit, tensor, scalar, matrix
  std::string role;
  bool conditional = false;  // exists for some values of a hyper-parameter only
  std::string doc;
};

// A name for a rule with other values of some hypers.
struct Alias {
  std::string name;
  std::map<std::string, double> hypers;
};

// Floats per element with default hyper-parameters, of the tensors that optim_schema_json names.
struct Cost {
  double vector = 0, matrix = 0, vector_state = 0, matrix_state = 0;
};

struct Rule {
  std::string name;
  std::string title;
  std::string paper;
  std::string url;
  std::string summary;
  std::string shape;  // elementwise, reduced, matrix
  std::string reach;  // element, row, tensor, all
  std::vector<std::string> needs;
  Cost cost;
  std::vector<Alias> aliases;
  std::vector<Hyper> hypers;
  std::vector<Slot> slots;

  int index_of(const std::string& hyper) const;  // -1: there is none of that name
  std::vector<double> defaults() const;
  std::vector<double> completed(std::vector<double> row) const;  // as a new plan has it
};

// Every registered rule, in the order of the document.
const std::vector<Rule>& rules();
const Rule* find_rule(const std::string& name);  // nullptr: not registered

struct Schedule {
  std::string name;
  std::string title;
  std::string paper;
  std::string url;
  std::string summary;
  std::vector<Hyper> hypers;
};
const std::vector<Schedule>& schedules();

// The options of a plan's helpers, named as the members of optim_helpers.
const std::vector<Hyper>& helper_options();

// A row of defaults with one value per named hyper changed; a name the rule does not have is ignored.
std::vector<double> with(const Rule& rule, std::vector<double> row, const std::string& hyper, double value);

// The row with everything off that acts as a helper would: clipping, centralization, normalization, stable decay, norm loss,
// Lookahead, and a schedule of the rule's own.
std::vector<double> without_own_helpers(const Rule& rule, std::vector<double> row);

// Rows that reach every branch: the defaults with a learning rate that moves, then every flag, word and switched-off
// number on its own (with momentum and decay where the rule has them), then a few mixed rows. A row may be one that the
// rule refuses (two settings that exclude each other); `accepted_variants` in session.h drops those.
struct Variant {
  std::string name;
  std::vector<double> hypers;
};
std::vector<Variant> variants(const Rule& rule);

}  // namespace optim_test
