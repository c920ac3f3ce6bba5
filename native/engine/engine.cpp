#include "engine/engine.h"

#include "core/error.h"

namespace optim {

void Engine::check_address(const Name& what, const void* data, std::size_t element_size) const {
  if (reinterpret_cast<std::uintptr_t>(data) % element_size != 0) {
    invalid(what, " is misaligned: it is at address ", data, ", which is no multiple of ", element_size);
  }
  if (!owns_address(data)) invalid(what, " is at address ", data, ", which is not memory of the engine's device");
}

}  // namespace optim
