#include "core/hyper_values.h"

#include <cctype>

#include "core/error.h"

namespace optim {
namespace {

bool is_part_of_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool has_word(const std::string& text, const std::string& word) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_part_of_name(text[at - 1])) && (end == text.size() || !is_part_of_name(text[end]))) return true;
  }
  return false;
}

}  // namespace

std::string values_named_in(const std::string& text, const std::vector<HyperInfo>& hypers, const double* values) {
  std::string named;
  for (std::size_t i = 0; i < hypers.size(); ++i) {
    if (!has_word(text, hypers[i].name)) continue;
    named += message(named.empty() ? "" : ", ", hypers[i].name, " is ", values[i]);
  }
  return named;
}

}  // namespace optim
