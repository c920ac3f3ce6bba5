// What values a hyper-parameter may take.
#pragma once

#include <limits>

namespace optim {

enum class Kind { real, integer, boolean, word };

struct Range {
  static constexpr int max_words = 8;

  Kind kind;
  double minimum, maximum;
  bool minimum_open, maximum_open;
  const char* words[max_words];

  constexpr bool contains(double value) const {
    const bool above = minimum_open ? value > minimum : value >= minimum;
    const bool below = maximum_open ? value < maximum : value <= maximum;
    if (!above || !below) return false;  // NaN too
    return kind == Kind::real || value == static_cast<double>(static_cast<long long>(value));
  }
};

namespace range {
constexpr double unbounded = std::numeric_limits<double>::infinity();

constexpr Range at_least(double minimum) { return {Kind::real, minimum, unbounded, false, true, {}}; }
constexpr Range above(double minimum) { return {Kind::real, minimum, unbounded, true, true, {}}; }
constexpr Range closed(double minimum, double maximum) { return {Kind::real, minimum, maximum, false, false, {}}; }
constexpr Range open(double minimum, double maximum) { return {Kind::real, minimum, maximum, true, true, {}}; }
constexpr Range half_open(double minimum, double maximum) { return {Kind::real, minimum, maximum, false, true, {}}; }
constexpr Range half_open_below(double minimum, double maximum) {
  return {Kind::real, minimum, maximum, true, false, {}};
}
constexpr Range integer(double minimum, double maximum = 9007199254740991.0) {  // 2^53 - 1: what a double can count to
  return {Kind::integer, minimum, maximum, false, false, {}};
}
constexpr Range boolean() { return {Kind::boolean, 0, 1, false, false, {}}; }

// One of a few words; the value is the index of the word.
template <class... Word>
constexpr Range one_of(Word... word) {
  return {Kind::word, 0, sizeof...(Word) - 1, false, false, {word...}};
}
}  // namespace range

}  // namespace optim
