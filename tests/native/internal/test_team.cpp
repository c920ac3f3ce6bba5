// The threads that the CPU engine shares work out to.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "engine/cpu/team.h"

namespace optim_test {
namespace {

using optim::cpu::Team;

TEST(Team, SharesEveryIndexOutOnce) {
  for (const int most : {1, 2, 4, 9}) {
    for (const std::int64_t count : {0, 1, 3, 1000}) {
      std::vector<std::atomic<int>> taken(static_cast<std::size_t>(count));
      Team::of_process().for_each(most, count, [&](std::int64_t i) { ++taken[static_cast<std::size_t>(i)]; });
      for (const auto& times : taken) EXPECT_EQ(times, 1);
    }
  }
}

TEST(Team, HasNoMoreThreadsThanAskedFor) {
  for (const int most : {5, 2, 3, 1}) {
    std::atomic<int> parts{0}, numbers{0};
    Team::of_process().run(most, [&](int thread, int threads) {
      parts += threads;
      numbers += 1 << thread;
    });
    EXPECT_EQ(parts, most * most);
    EXPECT_EQ(numbers, (1 << most) - 1);
  }
}

TEST(Team, WakesThreadsThatSleep) {
  for (int turn = 0; turn < 20; ++turn) {
    std::this_thread::sleep_for(std::chrono::milliseconds(turn % 3));
    std::atomic<int> parts{0};
    Team::of_process().run(3, [&](int, int threads) { parts += threads; });
    EXPECT_EQ(parts, 9);
  }
}

TEST(Team, ThrowsOnTheCallersThread) {
  for (int thrower = 0; thrower < 3; ++thrower) {
    const auto body = [&](int thread, int) {
      if (thread == thrower) throw std::runtime_error("of a part");
    };
    EXPECT_THROW(Team::of_process().run(3, body), std::runtime_error);
    EXPECT_NO_THROW(Team::of_process().run(3, [](int, int) {}));
  }
}

TEST(Team, ServesSeveralCallers) {
  std::atomic<std::int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int turn = 0; turn < 200; ++turn) {
        Team::of_process().for_each(3, 10, [&](int i) { sum += i; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 4 * 200 * 45);
}

}  // namespace
}  // namespace optim_test
