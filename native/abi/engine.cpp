// Status, catalogue, engines and buffers.
#include "abi/boundary.h"
#include "core/registry.h"

using namespace optim;
using namespace optim::abi;

#define OPTIM_TEXT_OF(x) #x
#define OPTIM_TEXT(x) OPTIM_TEXT_OF(x)

const char* optim_status_name(optim_status status) {
  static const char* const names[] = {
      "OPTIM_OK",          "OPTIM_INVALID_ARGUMENT", "OPTIM_NOT_FOUND", "OPTIM_OUT_OF_MEMORY",
      "OPTIM_UNSUPPORTED", "OPTIM_DEVICE_ERROR",     "OPTIM_INTERNAL"};
  const bool known = status >= OPTIM_OK && status <= OPTIM_INTERNAL;
  return known ? names[status] : "OPTIM_UNKNOWN_STATUS";
}

const char* optim_version(void) {
  return OPTIM_TEXT(OPTIM_VERSION_MAJOR) "." OPTIM_TEXT(OPTIM_VERSION_MINOR) "." OPTIM_TEXT(OPTIM_VERSION_PATCH);
}

const char* optim_schema_json(void) {
  const char* text = "";
  guarded([&] { text = schema_json().c_str(); });
  return text;
}

optim_status optim_device_count(int32_t device_type, int32_t* count) {
  return guarded([&] {
    require(count, "count");
    if (device_type != OPTIM_CPU && device_type != OPTIM_CUDA) {
      invalid("device_type is ", device_type, "; allowed are 0 (OPTIM_CPU) and 1 (OPTIM_CUDA)");
    }
    *count = device_type == OPTIM_CPU ? 1 : cuda_device_count();
  });
}

optim_status optim_engine_create(const optim_engine_options* options, optim_engine** engine) {
  return guarded([&] {
    require(engine, "engine");
    optim_engine_options o{};
    if (options != nullptr) o = read_struct(options, "options");
    if (o.reserved != 0) invalid("options.reserved is ", o.reserved, "; it must be 0");
    auto result = std::make_unique<optim_engine>();
    if (o.device_type == OPTIM_CPU) {
      if (o.device_index != 0) invalid("options.device_index is ", o.device_index, "; the CPU has only 0");
      if (o.threads < 0 || o.threads > 4096)
        invalid("options.threads is ", o.threads, "; allowed are 0 (all cores) to 4096");
      if (o.stream != nullptr) invalid("options.stream is not NULL; a CPU engine has no streams");
      result->engine = make_cpu_engine(o.threads);
    } else if (o.device_type == OPTIM_CUDA) {
      if (o.threads != 0) invalid("options.threads is ", o.threads, "; a CUDA engine takes 0");
      result->engine = make_cuda_engine(o.device_index, o.stream);
    } else {
      invalid("options.device_type is ", o.device_type, "; allowed are 0 (OPTIM_CPU) and 1 (OPTIM_CUDA)");
    }
    *engine = result.release();
  });
}

void optim_engine_free(optim_engine* engine) { delete engine; }

optim_status optim_engine_description(const optim_engine* engine, const char** description) {
  return guarded([&] {
    const optim_engine& e = require(engine, "engine");
    require(description, "description");
    *description = e.engine->description().c_str();
  });
}

optim_status optim_engine_set_stream(optim_engine* engine, void* stream) {
  return guarded([&] { require(engine, "engine").engine->set_stream(stream); });
}

optim_status optim_engine_synchronize(optim_engine* engine) {
  return guarded([&] { require(engine, "engine").engine->synchronize(); });
}

optim_status optim_buffer_alloc(optim_engine* engine, uint64_t bytes, void** buffer) {
  return guarded([&] {
    Engine& e = *require(engine, "engine").engine;
    require(buffer, "buffer");
    *buffer = bytes == 0 ? nullptr : e.allocate(bytes);
  });
}

void optim_buffer_free(optim_engine* engine, void* buffer) {
  if (engine != nullptr && buffer != nullptr) guarded([&] { engine->engine->release(buffer); });
}

optim_status optim_buffer_copy(optim_engine* engine, void* destination, const void* source, uint64_t bytes) {
  return guarded([&] {
    Engine& e = *require(engine, "engine").engine;
    if (bytes == 0) return;
    if (destination == nullptr) invalid("destination is NULL");
    if (source == nullptr) invalid("source is NULL");
    e.copy(destination, source, bytes);
  });
}
