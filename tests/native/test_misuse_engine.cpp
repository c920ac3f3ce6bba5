// Refused: engines, buffers, and what the thread's last error says about it.
#include <gtest/gtest.h>

#include <thread>

#include "misuse.h"

namespace optim_test {
namespace {

optim_engine* const kUntouchedEngine = reinterpret_cast<optim_engine*>(uintptr_t{0x1234});
void* const kUntouched = reinterpret_cast<void*>(uintptr_t{0x1234});

void expect_no_engine(const optim_engine_options& options, const std::vector<std::string>& words,
                      optim_status expected = OPTIM_INVALID_ARGUMENT) {
  optim_engine* engine = kUntouchedEngine;
  EXPECT_TRUE(refused(optim_engine_create(&options, &engine), words, expected));
  EXPECT_EQ(engine, kUntouchedEngine) << "an output was touched";
}

TEST(MisuseEngine, DeviceCount) {
  int32_t count = 77;
  EXPECT_TRUE(refused(optim_device_count(OPTIM_CPU, nullptr), {"count"}));
  EXPECT_TRUE(refused(optim_device_count(9, &count), {"device_type", "9"}));
  EXPECT_TRUE(refused(optim_device_count(-1, &count), {"device_type", "-1"}));
  EXPECT_EQ(count, 77);
}

TEST(MisuseEngine, Options) {
  const auto valid = sized<optim_engine_options>();
  EXPECT_TRUE(refused(optim_engine_create(&valid, nullptr), {"engine"}));
  auto options = valid;
  options.device_type = 7;
  expect_no_engine(options, {"device_type", "7"});
  options = valid;
  options.device_index = 99;
  expect_no_engine(options, {"device_index", "99"});
  options.device_index = -1;
  expect_no_engine(options, {"device_index", "-1"});
  options = valid;
  options.threads = -1;
  expect_no_engine(options, {"threads", "-1"});
  options = valid;
  options.threads = INT32_MAX;
  expect_no_engine(options, {"threads", std::to_string(INT32_MAX)});
  options = valid;
  options.reserved = 1;
  expect_no_engine(options, {"reserved", "1"});
  options = valid;
  options.stream = kUntouched;
  expect_no_engine(options, {"stream"});
}

TEST(MisuseEngine, CudaOptions) {
  int32_t count = 0;
  check(optim_device_count(OPTIM_CUDA, &count));
  auto options = sized<optim_engine_options>();
  options.device_type = OPTIM_CUDA;
  if (count == 0) {
    optim_engine* engine = kUntouchedEngine;
    const optim_status status = optim_engine_create(&options, &engine);
    EXPECT_TRUE(status == OPTIM_UNSUPPORTED || status == OPTIM_NOT_FOUND) << optim_status_name(status);
    EXPECT_NE(std::string(optim_last_error()), "");
    EXPECT_EQ(engine, kUntouchedEngine);
    return;
  }
  options.device_index = count;
  expect_no_engine(options, {"device_index", std::to_string(count)}, OPTIM_NOT_FOUND);
  options.device_index = 0;
  options.threads = 2;
  expect_no_engine(options, {"threads", "2"});
}

TEST(MisuseEngine, StructSizes) {
  optim_engine* engine = nullptr;
  expect_sizes_checked<optim_engine_options>(
      sized<optim_engine_options>(), [&](const optim_engine_options* o) { return optim_engine_create(o, &engine); },
      [&] { optim_engine_free(engine); });
}

TEST(MisuseEngine, DefaultsAreTheCpu) {
  optim_engine* engine = nullptr;
  check(optim_engine_create(nullptr, &engine));
  optim_engine_free(engine);
}

TEST(MisuseEngine, FreesAcceptNull) {
  optim_engine_free(nullptr);
  optim_plan_free(nullptr);
  Engine engine;
  optim_buffer_free(engine, nullptr);
  optim_buffer_free(nullptr, nullptr);
}

class MisuseDevice : public PerDevice {
 protected:
  Engine engine_{GetParam()};
};

TEST_P(MisuseDevice, NullsInEngineFunctions) {
  const char* description = "before";
  EXPECT_TRUE(refused(optim_engine_description(nullptr, &description), {"engine"}));
  EXPECT_STREQ(description, "before");
  EXPECT_TRUE(refused(optim_engine_description(engine_, nullptr), {"description"}));
  EXPECT_TRUE(refused(optim_engine_set_stream(nullptr, nullptr), {"engine"}));
  EXPECT_TRUE(refused(optim_engine_synchronize(nullptr), {"engine"}));
  EXPECT_EQ(optim_engine_synchronize(engine_), OPTIM_OK);
  EXPECT_EQ(optim_engine_set_stream(engine_, nullptr), OPTIM_OK);
  if (GetParam() == OPTIM_CPU) {
    EXPECT_TRUE(refused(optim_engine_set_stream(engine_, kUntouched), {"stream"}));
  }
}

TEST_P(MisuseDevice, Buffers) {
  void* buffer = kUntouched;
  EXPECT_TRUE(refused(optim_buffer_alloc(nullptr, 8, &buffer), {"engine"}));
  EXPECT_TRUE(refused(optim_buffer_alloc(engine_, 8, nullptr), {"buffer"}));
  for (uint64_t bytes : {uint64_t{1} << 62, UINT64_MAX, UINT64_MAX - 300}) {
    EXPECT_TRUE(refused(optim_buffer_alloc(engine_, bytes, &buffer), {std::to_string(bytes)}, OPTIM_OUT_OF_MEMORY));
  }
  EXPECT_EQ(buffer, kUntouched);
  EXPECT_EQ(optim_buffer_alloc(engine_, 0, &buffer), OPTIM_OK);
  EXPECT_EQ(buffer, nullptr);
}

TEST_P(MisuseDevice, FreshBuffersAreAlignedAndZero) {
  for (uint64_t bytes : {1, 256, 257, 100000}) {
    void* buffer = nullptr;
    check(optim_buffer_alloc(engine_, bytes, &buffer));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer) % 256, 0u);
    Bytes contents(bytes, 1);
    check(optim_buffer_copy(engine_, contents.data(), buffer, bytes));
    EXPECT_EQ(contents, Bytes(bytes, 0));
    optim_buffer_free(engine_, buffer);
  }
}

TEST_P(MisuseDevice, Copies) {
  Buffer buffer(engine_, OPTIM_F32, 4);
  Bytes host(16, 0xee);
  EXPECT_TRUE(refused(optim_buffer_copy(nullptr, host.data(), buffer.data(), 16), {"engine"}));
  EXPECT_TRUE(refused(optim_buffer_copy(engine_, nullptr, buffer.data(), 16), {"destination"}));
  EXPECT_TRUE(refused(optim_buffer_copy(engine_, host.data(), nullptr, 16), {"source"}));
  EXPECT_EQ(host, Bytes(16, 0xee));
  EXPECT_EQ(optim_buffer_copy(engine_, nullptr, nullptr, 0), OPTIM_OK);
}

OPTIM_TEST_PER_DEVICE(MisuseDevice);

TEST(LastError, BelongsToTheThread) {
  EXPECT_NE(optim_device_count(9, nullptr), OPTIM_OK);
  const std::string mine = optim_last_error();
  std::string fresh = "unset";
  std::string theirs;
  std::thread([&] {
    fresh = optim_last_error();
    optim_engine_synchronize(nullptr);
    theirs = optim_last_error();
  }).join();
  EXPECT_EQ(fresh, "") << "a new thread has no error";
  EXPECT_NE(theirs, mine);
  EXPECT_EQ(optim_last_error(), mine);
}

TEST(LastError, SurvivesSuccess) {
  int32_t count = 0;
  EXPECT_NE(optim_device_count(9, &count), OPTIM_OK);
  const std::string text = optim_last_error();
  check(optim_device_count(OPTIM_CPU, &count));
  EXPECT_EQ(optim_last_error(), text);
}

}  // namespace
}  // namespace optim_test
