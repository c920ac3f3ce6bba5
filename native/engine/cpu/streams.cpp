#include "engine/cpu/streams.h"

#include <utility>

#include "engine/cpu/step_state.h"

namespace optim::cpu {

void*& stream_of(Piece& piece, int index) {
  return index == param_stream ? piece.param : index == grad_stream ? piece.grad : piece.state[index];
}

TensorStreams::TensorStreams(const PlanTensor& tensor, const RuleInfo& rule) {
  cohort = 0;
  const ElementBuffer working = tensor.working_param();
  param = {working.data, working.dtype};
  if (tensor.param.dtype == DType::f16 || tensor.param.dtype == DType::bf16)
    narrow_param = {tensor.param_data, tensor.param.dtype};
  grad = {tensor.grad_data, tensor.grad_dtype};
  whole = {};
  whole.count = tensor.param.extent.count;
  const auto add = [this](int index, const Stream& stream, bool written) {
    if (stream.dtype == DType::f32 || stream.dtype == DType::f64) {
      stream_of(whole, index) = stream.data;
    } else if (stream.data != nullptr) {
      widened[widened_count++] = {stream, index, written};
    }
  };
  add(param_stream, param, false);
  add(grad_stream, grad, rule.writes_gradient);
  complete = param.data != nullptr && grad.data != nullptr;
  bool lean = true, full = true;
  for (std::size_t i = 0; i < rule.slots.size(); ++i) {
    const int slot = static_cast<int>(i);
    const ElementBuffer buffer = tensor.element_buffer(rule, slot);
    const bool optional = rule.slots[i].when >= 0 || !rule.is_state(slot);
    if (buffer.data != nullptr) {
      state[i] = {buffer.data, buffer.dtype};
      add(slot, state[i], rule.is_state(slot));
      lean = lean && !optional;
    } else if (optional && rule.slots[i].shape == SlotShape::param && slot != rule.slow_params) {
      full = false;
    }
  }
  loops = lean && param.dtype != DType::f64 ? Loops::lean : Loops::full;
  complete = complete && (full || loops == Loops::lean);
  in_place = widened_count == 0 && narrow_param.data == nullptr;
  if (const Slot* slot = tensor.slow_params(rule)) slow = {slot->data, slot->layout.dtype};
  if (const Slot* slot = tensor.find(slow_momentum_slot)) slow_momentum = {slot->data, slot->layout.dtype};
}

void TensorStreams::prefetch() const {
  const auto touch = [](const void* data) {
    constexpr std::size_t line = 64, lines = 4;
    if (data == nullptr) return;  // absent, or of no elements
    for (std::size_t i = 0; i < lines; ++i) __builtin_prefetch(static_cast<const char*>(data) + i * line, 1);
  };
  touch(whole.param);
  touch(whole.grad);
  for (void* const data : whole.state) touch(data);
}

OpenTile::OpenTile(const StepState& state, const Tile& tile, const Pass& pass, Scratch& scratch)
    : tensor_(state.streams[tile.tensor]),
      tile_(tile),
      state_(state),
      writes_param_(pass.writes_param),
      scratch_(scratch) {
  const RuleInfo& rule = state.rule();
  whole_.count = tile.count;
  whole_.param = open(tensor_.param, 0, pass.reads_param, pass.writes_param);
  whole_.grad = open(tensor_.grad, 1, pass.reads_grad, pass.writes_param && rule.writes_gradient);
  for (int i = 0; i < state.slots(); ++i) {
    const bool is_state = rule.is_state(i);
    whole_.state[i] =
        open(tensor_.state[i], 2 + i, is_state ? pass.reads_slot(i) : pass.reads_inputs, is_state && pass.writes_state);
  }
  state.swap_alternating(tensor_.cohort, whole_);
}

char* OpenTile::address(const Stream& stream) const {
  return static_cast<char*>(stream.data) + static_cast<std::size_t>(tile_.begin) * size_of(stream.dtype);
}

void* OpenTile::open(const Stream& stream, int index, bool read, bool write) {
  if (stream.data == nullptr || !(read || write))
    return index < 2 && !write ? scratch_.zeros() : scratch_.stream(index);
  if (stream.dtype == DType::f32 || stream.dtype == DType::f64) return address(stream);
  void* const wide = scratch_.stream(index);
  if (read)
    state_.kernels.generic().widen[static_cast<int>(stream.dtype)](address(stream), static_cast<float*>(wide),
                                                                   tile_.count);
  opened_[opened_count_++] = {&stream, wide, write};
  return wide;
}

void OpenTile::close() {
  if (writes_param_ && tensor_.narrow_param.data != nullptr)
    state_.narrow_param(tile_.tensor, whole_.param, tile_.begin, tile_.count);
  for (int i = 0; i < opened_count_; ++i) {
    const Opened& opened = opened_[i];
    if (!opened.write || opened.stream == &tensor_.param) continue;
    const Stream& stream = *opened.stream;
    state_.kernels.generic().narrow[static_cast<int>(stream.dtype)](static_cast<const float*>(opened.wide),
                                                                    address(stream), tile_.count);
  }
}

Piece part_of(const Piece& whole, std::int64_t offset, std::int64_t count, bool in_double) {
  const std::size_t bytes = static_cast<std::size_t>(offset) * (in_double ? sizeof(double) : sizeof(float));
  const auto at = [bytes](void* data) { return data == nullptr ? nullptr : static_cast<char*>(data) + bytes; };
  Piece piece = whole;
  piece.count = count;
  piece.param = at(piece.param);
  piece.grad = at(piece.grad);
  for (void*& state : piece.state) state = at(state);
  return piece;
}

Piece OpenTile::part(std::int64_t offset, std::int64_t count) const {
  return part_of(whole_, offset, count, state_.in_double);
}

LookaheadPiece OpenTile::lookahead(int first_moment) {
  LookaheadPiece piece{};
  piece.count = tile_.count;
  piece.param = whole_.param;
  piece.slow = open(tensor_.slow, max_slots + 2, true, true);
  if (first_moment >= 0 && tensor_.state[first_moment].data != nullptr) piece.momentum = whole_.state[first_moment];
  if (tensor_.slow_momentum.data != nullptr)
    piece.slow_momentum = open(tensor_.slow_momentum, max_slots + 3, true, true);
  return piece;
}

}  // namespace optim::cpu
