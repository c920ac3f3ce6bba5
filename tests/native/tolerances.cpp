#include "tolerances.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "golden_file.h"

namespace optim_test {
namespace {

using Table = std::map<std::string, std::vector<std::string>>;

// Rows of a tab-separated file by their first column, the heading left out.
Table read_table(const std::string& name) {
  std::ifstream file(golden_directory() + "/" + name);
  if (!file) throw std::runtime_error("cannot read " + name);
  Table table;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::vector<std::string> columns;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, '\t');) columns.push_back(cell);
    if (!columns.empty()) table[columns[0]] = columns;
  }
  return table;
}

double number(const std::vector<std::string>& row, size_t column) { return std::stod(row.at(column)); }

}  // namespace

Tolerance Tolerance::float32(const std::string& golden_case) {
  static const Table set_a = read_table("float32-error-a.tsv");
  static const Table set_b = read_table("float32-error-b.tsv");
  Tolerance t;
  if (const auto a = set_a.find(golden_case); a != set_a.end()) {
    t.param_ = std::max(2e-6, 10 * number(a->second, 2));  // param_scaled
    t.state_ = std::max(4e-6, 10 * number(a->second, 4));  // state_rel
    t.with_initial_ = true;
  } else if (const auto b = set_b.find(golden_case); b != set_b.end()) {
    t.param_ = t.state_ = std::max(2e-6, 4 * number(b->second, 2));
  } else {
    throw std::runtime_error("no float32 error is recorded for the golden case " + golden_case);
  }
  return t;
}

Tolerance Tolerance::float64() {
  Tolerance t;
  t.param_ = t.state_ = 1e-9;
  return t;
}

double Tolerance::param(const Values& expected, const Values& initial) const {
  return param_ * (norm(expected) + (with_initial_ ? norm(initial) : 0));
}
double Tolerance::state(const Values& expected) const { return state_ * norm(expected); }
double Tolerance::output(const Values& expected) const { return param_ * norm(expected); }

}  // namespace optim_test
