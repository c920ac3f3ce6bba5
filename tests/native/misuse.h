// Assertions about refused calls.
#pragma once

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

// Calls `use` with the struct's size set to 0 and to too little, then as part of a longer struct whose unknown members
// are 0 (accepted) or not (refused: this version cannot do what they ask). `undo` frees what an accepted call made.
template <class T>
void expect_sizes_checked(
    const T& valid, const std::function<optim_status(const T*)>& use, const std::function<void()>& undo = [] {}) {
  for (uint64_t size : {uint64_t{0}, uint64_t{4}, uint64_t{sizeof(T) - 1}}) {
    T small = valid;
    small.size = size;
    EXPECT_TRUE(refused(use(&small), {"size", std::to_string(size)}));
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
