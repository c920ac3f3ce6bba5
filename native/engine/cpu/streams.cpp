#include "engine/cpu/streams.h"

namespace optim::cpu {

TensorStreams::TensorStreams(const PlanTensor& tensor, const RuleInfo& rule) {
  group = tensor.group;
  param = {tensor.param_data, tensor.param.dtype};
  grad = {tensor.grad_data, tensor.grad_dtype};
  for (std::size_t i = 0; i < rule.slots.size(); ++i) {
    const int slot = static_cast<int>(i);
    if (void* data = tensor.element_state(rule, slot)) state[i] = {data, tensor.find(slot)->layout.dtype};
  }
  if (const Slot* slot = tensor.find(slow_params_slot)) slow = {slot->data, slot->layout.dtype};
  if (const Slot* slot = tensor.find(slow_momentum_slot)) slow_momentum = {slot->data, slot->layout.dtype};
}

void TensorStreams::prefetch() const {
  const auto touch = [](const Stream& stream) {
    constexpr std::size_t line = 64, lines = 4;
    if (stream.data == nullptr) return;
    for (std::size_t i = 0; i < lines; ++i) __builtin_prefetch(static_cast<const char*>(stream.data) + i * line);
  };
  touch(param);
  touch(grad);
  for (const Stream& stream : state) touch(stream);
}

OpenTile::OpenTile(const TensorStreams& tensor, const Tile& tile, const Pass& pass, bool writes_grad, int slots, bool in_double,
                   const GenericKernels& kernels, Scratch& scratch)
    : tensor_(tensor), tile_(tile), in_double_(in_double), kernels_(kernels), scratch_(scratch) {
  whole_.count = tile.count;
  whole_.param = open(tensor.param, 0, pass.reads_param, pass.writes_param);
  whole_.grad = open(tensor.grad, 1, pass.reads_grad, writes_grad);
  for (int i = 0; i < slots; ++i) whole_.state[i] = open(tensor.state[i], 2 + i, pass.reads_state, pass.writes_state);
}

char* OpenTile::address(const Stream& stream) const {
  return static_cast<char*>(stream.data) + static_cast<std::size_t>(tile_.begin) * size_of(stream.dtype);
}

void* OpenTile::open(const Stream& stream, int index, bool read, bool write) {
  if (stream.data == nullptr || !(read || write)) return index < 2 && !write ? scratch_.zeros() : scratch_.stream(index);
  if (stream.dtype == DType::f32 || stream.dtype == DType::f64) return address(stream);
  void* const wide = scratch_.stream(index);
  if (read) kernels_.widen[static_cast<int>(stream.dtype)](address(stream), static_cast<float*>(wide), tile_.count);
  opened_[opened_count_++] = {&stream, wide, write};
  return wide;
}

void OpenTile::close() {
  for (int i = 0; i < opened_count_; ++i) {
    const Opened& opened = opened_[i];
    if (!opened.write) continue;
    const Stream& stream = *opened.stream;
    kernels_.narrow[static_cast<int>(stream.dtype)](static_cast<const float*>(opened.wide), address(stream), tile_.count);
  }
}

Piece OpenTile::part(std::int64_t offset, std::int64_t count) const {
  const std::size_t bytes = static_cast<std::size_t>(offset) * (in_double_ ? sizeof(double) : sizeof(float));
  const auto at = [bytes](void* data) { return data == nullptr ? nullptr : static_cast<char*>(data) + bytes; };
  Piece piece = whole_;
  piece.count = count;
  piece.param = at(piece.param);
  piece.grad = at(piece.grad);
  for (void*& state : piece.state) state = at(state);
  return piece;
}

LookaheadPiece OpenTile::lookahead(int first_moment) {
  LookaheadPiece piece{};
  piece.count = tile_.count;
  piece.param = whole_.param;
  piece.slow = open(tensor_.slow, max_slots + 2, true, true);
  if (first_moment >= 0 && tensor_.state[first_moment].data != nullptr) piece.momentum = whole_.state[first_moment];
  if (tensor_.slow_momentum.data != nullptr) piece.slow_momentum = open(tensor_.slow_momentum, max_slots + 3, true, true);
  return piece;
}

}  // namespace optim::cpu
