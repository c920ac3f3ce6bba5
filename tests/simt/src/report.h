// Text for the messages that end a launch.
#pragma once

#include <string>

#include "simt/device.h"

namespace simt {

std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string coordinates(uint3 v);
std::string location(place at);

// The kernel's symbol, or the library and offset that addr2line takes when the symbol is hidden.
std::string kernel_name(const void* kernel);

}  // namespace simt
