// Functions on lists of tensors under the stand-in runtime: launches, waits, the device's size, no memory.
#ifdef OPTIM_SIMT
#include <gtest/gtest.h>

#include <functional>

#include "list_functions.h"
#include "simt/control.h"

namespace optim_test {
namespace {

struct Case {
  const char* name;
  std::function<optim_status(optim_engine*, const std::vector<optim_tensor>&)> call;  // the first third is written
};

const Case kCases[] = {
    {"pcgrad",
     [](optim_engine* engine, const std::vector<optim_tensor>& views) {
       const auto third = static_cast<int64_t>(views.size() / 3);
       return optim_pcgrad(engine, 2, third, views.data() + third, views.data(), nullptr, OPTIM_REDUCTION_MEAN);
     }},
    {"rademacher",
     [](optim_engine* engine, const std::vector<optim_tensor>& views) {
       return optim_rademacher(engine, static_cast<int64_t>(views.size() / 3), views.data(), 1, 2);
     }},
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class SimtLists : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    simt::set_order("forward");
    simt::set_multiprocessor_count(4);
  }

  // Three lists of the same shapes, `copies` times over.
  struct Lists {
    std::vector<std::unique_ptr<TensorList>> lists;
    std::vector<optim_tensor> views;

    explicit Lists(Engine& engine, int copies = 1) {
      std::vector<Shape> shapes;
      for (int i = 0; i < copies; ++i) shapes.insert(shapes.end(), {{7}, {3, 4999}, {}, {0, 3}, {9001}});
      for (uint64_t k = 0; k < 3; ++k) {
        lists.push_back(std::make_unique<TensorList>(engine, shapes, OPTIM_F32));
        for (size_t i = 0; i < shapes.size(); ++i) (*lists[k])[i].write(random_values(100 * k + i, numel(shapes[i])));
        views.insert(views.end(), lists[k]->views(), lists[k]->views() + lists[k]->count());
      }
    }
  };

  std::vector<Bytes> run() const {
    Engine engine(OPTIM_CUDA);
    const Lists lists(engine);
    check(GetParam().call(engine, lists.views));
    return lists.lists[0]->bytes();
  }
};

TEST_P(SimtLists, ResultsDoNotDependOnTheDevice) {
  const std::vector<Bytes> expected = run();
  for (int count : {1, 3, 16}) {
    simt::set_multiprocessor_count(count);
    EXPECT_EQ(run(), expected) << count << " multiprocessors";
  }
  simt::set_multiprocessor_count(4);
  for (const char* order : {"reverse", "shuffle:1"}) {
    simt::set_order(order);
    EXPECT_EQ(run(), expected) << order;
  }
}

TEST_P(SimtLists, LaunchesDoNotDependOnTheNumberOfTensors) {
  Engine engine(OPTIM_CUDA);
  std::uint64_t launches[2];
  for (int many : {0, 1}) {
    const Lists lists(engine, many != 0 ? 6 : 1);
    const std::uint64_t before = simt::launch_count();
    check(GetParam().call(engine, lists.views));
    launches[many] = simt::launch_count() - before;
  }
  EXPECT_GT(launches[0], 0u);
  EXPECT_EQ(launches[0], launches[1]);
}

TEST_P(SimtLists, SteadyCallsOnlyLaunch) {
  Engine engine(OPTIM_CUDA);
  const Lists lists(engine);
  check(GetParam().call(engine, lists.views));
  const std::uint64_t copies = simt::copy_count(), allocations = simt::allocation_count(),
                      waits = simt::synchronization_count();
  check(GetParam().call(engine, lists.views));
  EXPECT_EQ(simt::copy_count(), copies);
  EXPECT_EQ(simt::allocation_count(), allocations);
  EXPECT_EQ(simt::synchronization_count(), waits);
}

TEST_P(SimtLists, DeviceOutOfMemory) {
  const std::vector<Bytes> expected = run();
  const std::size_t live = simt::live_allocations();
  bool failed = true;
  for (int n = 1; failed; ++n) {
    ASSERT_LT(n, 200) << "the call never succeeded";
    Engine engine(OPTIM_CUDA);
    {
      const Lists lists(engine);
      simt::fail_next_allocation(n);
      const optim_status status = GetParam().call(engine, lists.views);
      simt::fail_next_allocation(0);
      failed = status != OPTIM_OK;
      if (failed) {
        EXPECT_EQ(status, OPTIM_OUT_OF_MEMORY) << "allocation " << n << ": " << optim_last_error();
        check(GetParam().call(engine, lists.views));
      }
      EXPECT_EQ(lists.lists[0]->bytes(), expected) << "after allocation " << n << " failed";
    }
  }
  EXPECT_EQ(simt::live_allocations(), live);
}

INSTANTIATE_TEST_SUITE_P(Native, SimtLists, testing::ValuesIn(kCases),
                         [](const testing::TestParamInfo<Case>& info) { return info.param.name; });

}  // namespace
}  // namespace optim_test
#endif
