// Errors travel as exceptions inside the library; the ABI turns them into a status and the thread's last error.
#pragma once

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>

namespace optim {

enum class Status : std::int32_t {
  ok,
  invalid_argument,
  not_found,
  out_of_memory,
  unsupported,
  device_error,
  internal
};

class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  Status status() const { return status_; }

 private:
  Status status_;
};

// A message from its parts: message("threads ", n, " is negative").
template <class... Part>
std::string message(const Part&... part) {
  std::ostringstream text;
  text.precision(17);
  (text << ... << part);
  return text.str();
}

// What an error calls a thing: "params", or an element of it, "params[3]" or "grads[3][1]". There may be a million of them, so the text is
// put together only where there is an error.
class Name {
 public:
  Name(const char* text, std::int64_t index = -1, std::int64_t inner = -1)  // NOLINT(google-explicit-constructor)
      : text_(text), index_(index), inner_(inner) {}

  friend std::ostream& operator<<(std::ostream& out, const Name& name) {
    out << name.text_;
    if (name.index_ >= 0) out << '[' << name.index_ << ']';
    if (name.inner_ >= 0) out << '[' << name.inner_ << ']';
    return out;
  }

 private:
  const char* text_;
  std::int64_t index_, inner_;
};

template <class... Part>
[[noreturn]] void invalid(const Part&... part) {
  throw Error(Status::invalid_argument, message(part...));
}

}  // namespace optim
