#include "report.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace simt {

std::string text(const char* format, ...) {
  std::array<char, 512> buffer;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer.data(), buffer.size(), format, arguments);
  va_end(arguments);
  return buffer.data();
}

std::string coordinates(uint3 v) { return text("(%u,%u,%u)", v.x, v.y, v.z); }

std::string location(place at) { return text("%s:%d", at.file, at.line); }

std::string kernel_name(const void* kernel) {
  Dl_info found;
  if (!kernel || !dladdr(kernel, &found)) return "of unknown name";
  if (!found.dli_sname || found.dli_saddr != kernel)
    return text("%s+0x%tx", found.dli_fname, static_cast<const char*>(kernel) - static_cast<char*>(found.dli_fbase));
  const std::unique_ptr<char, void (*)(void*)> readable(abi::__cxa_demangle(found.dli_sname, nullptr, nullptr, nullptr),
                                                        std::free);
  return readable ? readable.get() : found.dli_sname;
}

}  // namespace simt
