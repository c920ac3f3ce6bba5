// The buffers that a function without a plan writes: they must not overlap.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "abi/boundary.h"

namespace optim::abi {

// A list of tensors to be written, checked one by one.
struct Written {
  std::vector<Layout> layouts;
  std::vector<TensorBuffer> buffers;
};
Written read_written(Engine& engine, const optim_tensor* tensors, std::int64_t count, const char* name,
                     const char* count_name);

// A tensor that is read or written. The caller has checked its layout.
TensorBuffer checked_buffer(Engine& engine, const optim_tensor& tensor, const Layout& layout, const Name& what);

class WrittenRanges {
 public:
  // Throws where two of them overlap.
  WrittenRanges(const std::vector<TensorBuffer>& buffers, const char* name);

  // The index of one that overlaps the buffer; -1: none does.
  std::int64_t overlapping(const TensorBuffer& buffer) const;

 private:
  struct Range {
    std::uintptr_t begin, end;
    std::int64_t index;
  };
  std::vector<Range> ranges_;  // sorted
};

}  // namespace optim::abi
