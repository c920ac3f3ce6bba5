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

template <class... Part>
[[noreturn]] void invalid(const Part&... part) {
  throw Error(Status::invalid_argument, message(part...));
}

}  // namespace optim
