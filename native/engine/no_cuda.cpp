// What stands in for the CUDA engine in a build without it.
#include "core/error.h"
#include "engine/engine.h"

#if !defined(OPTIM_WITH_CUDA)

namespace optim {

int cuda_device_count() { return 0; }

std::unique_ptr<Engine> make_cuda_engine(int, void*) {
  throw Error(Status::unsupported,
              "device_type is 1 (OPTIM_CUDA), but this library was built without CUDA; allowed is 0 (OPTIM_CPU)");
}

}  // namespace optim

#endif
