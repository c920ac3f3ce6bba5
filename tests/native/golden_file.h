// Files of format optim-golden-1 (tests/golden/README.md): safetensors with strings as metadata.
#pragma once

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "numbers.h"

namespace optim_test {

struct GoldenTensor {
  std::vector<int64_t> shape;
  Values values;
};

struct GoldenFile {
  std::string name;       // of the file, without extension
  std::string source;     // what recorded it
  std::string optimizer;  // a rule, "rule+helper", "lookahead", "sam" or a helper
  nlohmann::json hypers;  // object: name -> number, boolean or word
  int64_t steps = 0;
  std::vector<int64_t> recorded;
  std::map<std::string, GoldenTensor> tensors;

  bool direct() const { return steps == 0; }
  bool has(const std::string& tensor) const { return tensors.count(tensor) != 0; }
  const GoldenTensor& at(const std::string& tensor) const;  // throws naming the file and the tensor
  // prefix.0, prefix.1, ... as long as there are any; or the tensor `prefix` itself
  std::vector<const GoldenTensor*> list(const std::string& prefix) const;
  int64_t param_count() const;
};

// The golden files: where the environment says so (a program that was built elsewhere), otherwise in this source.
inline std::string golden_directory() {
  const char* given = std::getenv("OPTIM_GOLDEN_DIR");
  return given != nullptr ? given : OPTIM_GOLDEN_DIR;
}

// Throws std::runtime_error naming the file when it is not a well-formed golden file.
GoldenFile read_golden(const std::string& path);

// Names of the golden files of rules and helpers, sorted; paths are made with golden_path. Families with tests of their
// own are left out: schedule.* and loss_scale.*
const std::vector<std::string>& golden_names();
std::vector<std::string> golden_family(const std::string& prefix);
std::string golden_path(const std::string& name);

// The metadata's optimizer of every golden file, parallel to golden_names().
const std::vector<std::string>& golden_optimizers();

}  // namespace optim_test
