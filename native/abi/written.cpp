#include "abi/written.h"

#include <algorithm>
#include <limits>

namespace optim::abi {
namespace {

std::uint64_t bytes_of(const TensorBuffer& buffer) {
  return static_cast<std::uint64_t>(buffer.count) * size_of(buffer.dtype);
}

}  // namespace

TensorBuffer checked_buffer(Engine& engine, const optim_tensor& tensor, const Layout& layout, const Name& what) {
  const TensorBuffer buffer{tensor.data, layout.dtype, layout.extent.count};
  if (buffer.data == nullptr || buffer.count == 0) return buffer;
  if (bytes_of(buffer) > std::numeric_limits<std::uintptr_t>::max() - reinterpret_cast<std::uintptr_t>(buffer.data)) {
    invalid(what, " is at address ", buffer.data, ", and its ", bytes_of(buffer),
            " bytes reach beyond the end of the address space");
  }
  engine.check_address(what, buffer.data, size_of(buffer.dtype));
  return buffer;
}

Written read_written(Engine& engine, const optim_tensor* tensors, std::int64_t count, const char* name,
                     const char* count_name) {
  Written written;
  for (const optim_tensor& tensor : read_tensors(tensors, count, name, count_name)) {
    const Name what(name, static_cast<std::int64_t>(written.layouts.size()));
    written.layouts.push_back(layout_of(tensor, what));
    if (tensor.data == nullptr && written.layouts.back().extent.count > 0) invalid(what, ".data is NULL");
    written.buffers.push_back(checked_buffer(engine, tensor, written.layouts.back(), what));
  }
  return written;
}

WrittenRanges::WrittenRanges(const std::vector<TensorBuffer>& buffers, const char* name) {
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const auto begin = reinterpret_cast<std::uintptr_t>(buffers[i].data);
    if (buffers[i].count > 0) ranges_.push_back({begin, begin + bytes_of(buffers[i]), static_cast<std::int64_t>(i)});
  }
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < ranges_.size(); ++i) {
    if (ranges_[i].begin >= ranges_[i - 1].end) continue;
    invalid(name, "[", ranges_[i].index, "] overlaps ", name, "[", ranges_[i - 1].index, "]; buffers must not");
  }
}

std::int64_t WrittenRanges::overlapping(const TensorBuffer& buffer) const {
  const auto begin = reinterpret_cast<std::uintptr_t>(buffer.data);
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), begin,
                                      [](std::uintptr_t address, const Range& range) { return address < range.end; });
  return after != ranges_.end() && after->begin < begin + bytes_of(buffer) ? after->index : -1;
}

}  // namespace optim::abi
