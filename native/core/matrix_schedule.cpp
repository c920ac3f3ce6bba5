#include "core/matrix_schedule.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace optim {
namespace {

using Operation = MatrixOperation::Kind;

// Operations are sorted into waves: one that touches what an earlier one of the same block wrote, or writes what it
// read, belongs to a later wave.
class Waves {
 public:
  int wave_of(const MatrixOperation& operation) {
    const int slot = operation.slot * max_rank + operation.dimension;
    const int source = operation.source * max_rank + operation.dimension;
    switch (operation.kind) {
      case Operation::add_gram:
        return place({}, {slot});
      case Operation::inverse_root:
        return place({source}, {slot});
      case Operation::contract:
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

MatrixItem item_of(const PlanTensor& tensor, const MatrixOperation& operation, const MatrixBlock& block,
                   std::int64_t index) {
  MatrixItem item{};
  item.fibres = linalg::fibres(tensor.view, block, operation.dimension);
  item.slot = tensor.find(operation.slot, operation.dimension, index)->data;
  if (operation.source >= 0) item.source = tensor.find(operation.source, operation.dimension, index)->data;
  item.keep = operation.keep;
  item.add = operation.add;
  item.root = operation.root;
  item.floor = operation.floor;
  item.ridge = operation.ridge;
  item.stage = operation.stage;
  item.present = tensor.present();
  return item;
}

}  // namespace

bool MatrixItem::operator==(const MatrixItem& other) const {
  const auto fields = [](const MatrixItem& item) {
    return std::tie(item.fibres, item.begin, item.slot, item.source, item.keep, item.add, item.root, item.floor,
                    item.ridge, item.tensor, item.stage, item.present);
  };
  return fields(*this) == fields(other);
}

int MatrixSchedule::largest() const {
  int result = 0;
  for (const MatrixWave& wave : waves) result = std::max(result, wave.largest);
  return result;
}

MatrixSchedule matrix_schedule(const Plan& plan, const std::vector<std::int64_t>& begin) {
  std::map<std::pair<int, Operation>, std::vector<MatrixItem>> waves;
  std::vector<MatrixOperation> operations;
  for (std::size_t i = 0; i < plan.tensors().size(); ++i) {
    const PlanTensor& tensor = plan.tensors()[i];
    if (tensor.param.extent.count == 0 || tensor.view.dimensions == 0) continue;
    operations.clear();
    plan.rule().program(plan.hypers()[static_cast<std::size_t>(tensor.group)].data(), tensor.view, operations);
    Waves order;
    std::vector<int> wave_of;
    for (const MatrixOperation& operation : operations) wave_of.push_back(order.wave_of(operation));
    for (std::int64_t q = 0; q < tensor.view.blocks(); ++q) {
      const MatrixBlock block = tensor.view.block_at(q);
      for (std::size_t k = 0; k < operations.size(); ++k) {
        MatrixItem item = item_of(tensor, operations[k], block, q);
        item.begin = begin[i];
        item.tensor = static_cast<std::int32_t>(i);
        waves[{wave_of[k], operations[k].kind}].push_back(item);
      }
    }
  }

  MatrixSchedule schedule;
  for (auto& [key, items] : waves) {
    std::stable_sort(items.begin(), items.end(),
                     [](const MatrixItem& a, const MatrixItem& b) { return a.fibres.n > b.fibres.n; });
    schedule.waves.push_back({key.second, static_cast<std::int32_t>(schedule.items.size()),
                              static_cast<std::int32_t>(items.size()), items.front().fibres.n});
    schedule.items.insert(schedule.items.end(), items.begin(), items.end());
  }
  return schedule;
}

int concurrent_roots(const std::vector<int>& sizes, std::int64_t numbers_of(int n), int most, std::int64_t numbers) {
  std::int64_t used = 0;
  int count = 0;
  for (const int n : sizes) {
    used += numbers_of(n);
    if (count == most || (count > 0 && used > numbers)) break;
    ++count;
  }
  return count;
}

}  // namespace optim
