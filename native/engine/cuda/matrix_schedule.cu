#include "engine/cuda/matrix_schedule.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "engine/cuda/tables.h"

namespace optim::cuda {
namespace {

using Kind = MatrixOperation::Kind;

// Operations are sorted into waves: one that touches what an earlier one of the same tensor wrote, or writes what it
// read, belongs to a later wave.
class Waves {
 public:
  int wave_of(const MatrixOperation& operation) {
    const int slot = operation.slot * max_rank + operation.dimension;
    const int source = operation.source * max_rank + operation.dimension;
    switch (operation.kind) {
      case Kind::add_gram:
        return place({}, {slot});
      case Kind::inverse_root:
        return place({source}, {slot});
      case Kind::contract:
        return place({slot}, {direction});
    }
    return 0;
  }

 private:
  static constexpr int direction = max_slots * max_rank;

  int place(std::initializer_list<int> reads, std::initializer_list<int> writes) {
    int wave = 0;
    for (const int operand : reads) wave = std::max(wave, after_write_[operand]);
    for (const int operand : writes) wave = std::max({wave, after_write_[operand], after_read_[operand]});
    for (const int operand : reads) after_read_[operand] = std::max(after_read_[operand], wave + 1);
    for (const int operand : writes) after_write_[operand] = wave + 1;
    return wave;
  }

  int after_write_[direction + 1] = {};
  int after_read_[direction + 1] = {};
};

std::int64_t parts(Kind kind, const linalg::Fibres& fibres) {
  if (kind == Kind::add_gram) {
    const std::int64_t tiles = (fibres.n + gram_tile - 1) / gram_tile;
    return tiles * (tiles + 1) / 2;
  }
  if (kind == Kind::contract) return (fibres.count + panel_fibres(fibres.n) - 1) / panel_fibres(fibres.n);
  return 0;
}

}  // namespace

bool MatrixItem::operator==(const MatrixItem& other) const {
  const auto fields = [](const MatrixItem& item) {
    return std::tie(item.fibres.n, item.fibres.inner, item.fibres.count, item.begin, item.slot, item.source, item.keep,
                    item.add, item.root, item.floor, item.tensor, item.stage, item.present);
  };
  return fields(*this) == fields(other);
}

int MatrixSchedule::largest_root() const {
  int result = 0;
  for (const MatrixLaunch& launch : launches) {
    if (launch.kind == Kind::inverse_root) result = std::max(result, launch.largest);
  }
  return result;
}

int MatrixSchedule::most_roots() const {
  int result = 0;
  for (const MatrixLaunch& launch : launches) {
    if (launch.kind == Kind::inverse_root) result = std::max(result, static_cast<int>(launch.items));
  }
  return result;
}

std::vector<std::int64_t> workspace_begin(const Plan& plan) {
  std::vector<std::int64_t> begin = {0};
  for (const PlanTensor& tensor : plan.tensors()) {
    begin.push_back(begin.back() + (tensor.param.extent.count + chunk - 1) / chunk * chunk);
  }
  return begin;
}

MatrixSchedule matrix_schedule(const Plan& plan) {
  const std::vector<std::int64_t> begin = workspace_begin(plan);
  std::map<std::pair<int, Kind>, std::vector<MatrixItem>> waves;
  std::vector<MatrixOperation> operations;
  for (std::size_t i = 0; i < plan.tensors().size(); ++i) {
    const PlanTensor& tensor = plan.tensors()[i];
    if (tensor.param.extent.count == 0) continue;
    operations.clear();
    plan.rule().program(plan.hypers()[tensor.group].data(), std::max(tensor.param.rank, 1), operations);
    Waves order;
    for (const MatrixOperation& operation : operations) {
      MatrixItem item{};
      item.fibres = linalg::fibres(tensor.param.rank, tensor.param.shape.data(), operation.dimension);
      item.begin = begin[i];
      item.slot = tensor.find(operation.slot, operation.dimension)->data;
      if (operation.source >= 0) item.source = tensor.find(operation.source, operation.dimension)->data;
      item.keep = operation.keep;
      item.add = operation.add;
      item.root = operation.root;
      item.floor = operation.floor;
      item.tensor = static_cast<std::int32_t>(i);
      item.stage = operation.stage;
      item.present = tensor.present();
      waves[{order.wave_of(operation), operation.kind}].push_back(item);
    }
  }

  MatrixSchedule schedule;
  for (auto& [key, items] : waves) {
    const Kind kind = key.second;
    MatrixLaunch launch{kind,
                        static_cast<std::int32_t>(schedule.items.size()),
                        static_cast<std::int32_t>(items.size()),
                        static_cast<std::int32_t>(schedule.shares.size()),
                        0,
                        0};
    // The longest first, so that no block is left with a long one at the end.
    std::stable_sort(items.begin(), items.end(),
                     [](const MatrixItem& a, const MatrixItem& b) { return a.fibres.n > b.fibres.n; });
    launch.largest = items.front().fibres.n;
    for (const MatrixItem& item : items) {
      const auto index = static_cast<std::int32_t>(schedule.items.size());
      for (std::int64_t part = 0; part < parts(kind, item.fibres); ++part) {
        schedule.shares.push_back({index, static_cast<std::int32_t>(part)});
      }
      schedule.items.push_back(item);
    }
    launch.shares = static_cast<std::int32_t>(schedule.shares.size()) - launch.first_share;
    schedule.launches.push_back(launch);
  }
  return schedule;
}

}  // namespace optim::cuda
