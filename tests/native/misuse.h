// Assertions about refused calls.
#pragma once

#include <cstddef>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "session.h"

namespace optim_test {

// The call was refused with this status, and the message is one line that contains all the words.
testing::AssertionResult refused(optim_status status, const std::vector<std::string>& words,
                                 optim_status expected = OPTIM_INVALID_ARGUMENT);

// A struct from a later version of the header: the same beginning, and members this version does not know.
template <class T>
struct Later {
  T known;
  unsigned char unknown[24];
};

// Calls `use` with sizes that the struct never had (refused); with those that earlier headers may have given it, from `first` on,
// and garbage behind them that is not the struct's (accepted); then as part of a longer struct whose unknown members are 0
// (accepted) or not (refused: this version cannot do what they ask). `undo` frees what an accepted call made.
template <class T>
void expect_sizes_checked(
    const T& valid, const std::function<optim_status(const T*)>& use, const std::function<void()>& undo = [] {},
    uint64_t first = sizeof(T)) {
  for (uint64_t size :
       {uint64_t{0}, uint64_t{4}, first - 8, first - 1, uint64_t{sizeof(T) - 1}, uint64_t{sizeof(T) + 1}, UINT64_MAX}) {
    T wrong = valid;
    wrong.size = size;
    EXPECT_TRUE(refused(use(&wrong), {"size", std::to_string(size)}));
  }
  for (uint64_t size = first; size < sizeof(T); size += 8) {
    T earlier = valid;
    earlier.size = size;
    std::memset(reinterpret_cast<unsigned char*>(&earlier) + size, 0xa5, sizeof(T) - size);
    EXPECT_EQ(use(&earlier), OPTIM_OK) << "size " << size << ": " << optim_last_error();
    undo();
  }
  Later<T> later{valid, {}};
  later.known.size = sizeof later;
  EXPECT_EQ(use(&later.known), OPTIM_OK) << optim_last_error();
  undo();
  later.unknown[sizeof later.unknown - 1] = 1;
  const optim_status status = use(&later.known);
  EXPECT_TRUE(status == OPTIM_UNSUPPORTED || status == OPTIM_INVALID_ARGUMENT) << "unknown members were ignored";
  if (status == OPTIM_OK) undo();
}

}  // namespace optim_test
