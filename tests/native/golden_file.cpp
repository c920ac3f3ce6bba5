#include "golden_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "optim/optim.h"

namespace optim_test {
namespace {

using nlohmann::json;

struct Raw {
  json header;
  Bytes data;
};

Raw read_safetensors(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const Bytes all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  uint64_t header_bytes = 0;
  if (all.size() < 8) throw std::runtime_error(path + ": cannot be read");
  std::memcpy(&header_bytes, all.data(), 8);
  if (header_bytes > all.size() - 8) throw std::runtime_error(path + ": the header is longer than the file");
  const auto body = all.begin() + 8 + static_cast<std::ptrdiff_t>(header_bytes);
  return {json::parse(all.begin() + 8, body), Bytes(body, all.end())};
}

Values whole_numbers(const Bytes& bytes) {
  std::vector<int64_t> numbers(bytes.size() / sizeof(int64_t));
  std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(int64_t));
  return Values(numbers.begin(), numbers.end());
}

GoldenTensor parse_tensor(const std::string& path, const json& entry, const Bytes& data) {
  const std::string dtype = entry.at("dtype").get<std::string>();
  const auto offsets = entry.at("data_offsets").get<std::vector<size_t>>();
  if ((dtype != "F32" && dtype != "F64" && dtype != "I64") || offsets.size() != 2 || offsets[0] > offsets[1] ||
      offsets[1] > data.size()) {
    throw std::runtime_error(path + ": malformed tensor entry " + entry.dump());
  }
  const Bytes bytes(data.begin() + static_cast<std::ptrdiff_t>(offsets[0]),
                    data.begin() + static_cast<std::ptrdiff_t>(offsets[1]));
  const auto shape = entry.at("shape").get<std::vector<int64_t>>();
  if (dtype == "I64") return {shape, whole_numbers(bytes)};
  return {shape, decode(dtype == "F32" ? OPTIM_F32 : OPTIM_F64, bytes)};
}

json metadata(const std::string& path, const json& header) {
  const json& meta = header.at("__metadata__");
  if (meta.at("format") != "optim-golden-1") throw std::runtime_error(path + ": not of format optim-golden-1");
  return meta;
}

}  // namespace

const GoldenTensor& GoldenFile::at(const std::string& tensor) const {
  const auto found = tensors.find(tensor);
  if (found == tensors.end()) throw std::runtime_error(name + ": no tensor " + tensor);
  return found->second;
}

std::vector<const GoldenTensor*> GoldenFile::list(const std::string& prefix) const {
  if (has(prefix)) return {&at(prefix)};
  std::vector<const GoldenTensor*> found;
  for (int i = 0; has(prefix + "." + std::to_string(i)); ++i) found.push_back(&at(prefix + "." + std::to_string(i)));
  if (found.empty()) throw std::runtime_error(name + ": no tensors " + prefix);
  return found;
}

int64_t GoldenFile::param_count() const {
  int64_t count = 0;
  while (has("param." + std::to_string(count) + ".init")) ++count;
  return count;
}

GoldenFile read_golden(const std::string& path) {
  const Raw raw = read_safetensors(path);
  const json meta = metadata(path, raw.header);
  GoldenFile file;
  file.name = std::filesystem::path(path).stem().string();
  file.source = meta.value("source", "");
  file.optimizer = meta.at("optimizer").get<std::string>();
  file.hypers = json::parse(meta.at("hyperparameters").get<std::string>());
  file.steps = std::stoll(meta.at("steps").get<std::string>());
  file.recorded = json::parse(meta.at("recorded").get<std::string>()).get<std::vector<int64_t>>();
  for (const auto& [name, entry] : raw.header.items()) {
    if (name != "__metadata__") file.tensors[name] = parse_tensor(path, entry, raw.data);
  }
  return file;
}

const std::vector<std::string>& golden_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> found = golden_family("");
    const auto is_apart = [](const std::string& name) {
      return name.rfind("schedule.", 0) == 0 || name.rfind("loss_scale.", 0) == 0;
    };
    found.erase(std::remove_if(found.begin(), found.end(), is_apart), found.end());
    return found;
  }();
  return names;
}

std::vector<std::string> golden_family(const std::string& prefix) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(golden_directory())) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".safetensors" && name.rfind(prefix, 0) == 0) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string golden_path(const std::string& name) { return golden_directory() + "/" + name + ".safetensors"; }

const std::vector<std::string>& golden_optimizers() {
  static const std::vector<std::string> optimizers = [] {
    std::vector<std::string> found;
    for (const std::string& name : golden_names()) {
      const std::string path = golden_path(name);
      found.push_back(metadata(path, read_safetensors(path).header).at("optimizer").get<std::string>());
    }
    return found;
  }();
  return optimizers;
}

}  // namespace optim_test
