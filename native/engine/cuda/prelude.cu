#include "engine/cuda/prelude.h"

#include "engine/cuda/check.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/stages.cuh"

namespace optim::cuda {
namespace {

template <class... Parameters, class... Arguments>
void start(const Device& device, std::int64_t pieces, void (*kernel)(Parameters...), std::size_t shared_bytes,
           const char* what, const Arguments&... arguments) {
  if (pieces == 0) return;
  check(launch(device.stream, kernel, dim3(device.blocks(pieces)), dim3(block_threads), shared_bytes, arguments...),
        what);
}

constexpr std::int64_t warps_in(std::int64_t items) { return (items + block_warps - 1) / block_warps; }

}  // namespace

void Prelude::configure(const Device& device, bool measures) {
  measures = measures || plan_.needs_moments();
  const bool maps = plan_.needs_moments() || plan_.needs_second_moment();
  const bool by_row = plan_.maps_by_row();
  if (measures == measures_ && maps == maps_ && by_row == by_row_) return;
  Tiling tiling(tile_length);
  DeviceTiling device_tiling;
  if (measures || maps) {
    for (const PlanTensor& tensor : plan_.tensors()) tiling.add(tensor.param.extent, by_row, true);
    device_tiling = DeviceTiling(tiling, device.stream);
  }
  DeviceArray<Moments> partials(measures ? tiling.partials : 0);
  DeviceArray<Moments> units(measures ? tiling.units : 0);
  DeviceArray<Moments> spans(measures ? device_tiling.spans() : 0);
  DeviceArray<RowMap> rows(maps ? tiling.units : 0);
  DeviceArray<TensorMap> tensor_maps(maps ? static_cast<std::int64_t>(tiling.tensors.size()) : 0);
  units.clear(device.stream);

  measures_ = measures;
  maps_ = maps;
  by_row_ = by_row;
  host_tiling_ = std::move(tiling);
  tiling_ = std::move(device_tiling);
  partials_ = std::move(partials);
  units_ = std::move(units);
  spans_ = std::move(spans);
  rows_ = std::move(rows);
  tensor_maps_ = std::move(tensor_maps);
}

void Prelude::describe(StepTables& tables) const {
  tables.rows = maps_ ? rows_.data() : nullptr;
  tables.row_units = tiling_.view().tensors;
  tables.maps = plan_.needs_moments() ? tensor_maps_.data() : nullptr;
  tables.by_row = by_row_;
}

StageArguments Prelude::arguments(const StepTables& tables) const {
  StageArguments a{};
  a.step = tables;
  a.tiling = tiling_.view();
  a.partials = partials_.data();
  a.units = units_.data();
  a.spans = spans_.data();
  a.adanorm_slot = plan_.rule().adanorm_slot;
  a.with_params = plan_.needs_param_moments();
  return a;
}

void Prelude::measure(const Device& device, const StepTables& tables) const {
  const StageArguments a = arguments(tables);
  const std::size_t runs = a.tiling.grouped ? 2 * block_threads * sizeof(Moments) : 0;
  start(device, tiling_.tiles(), plan_.in_double() ? &cuda::measure<double> : &cuda::measure<float>, runs, "measure",
        a);
  if (a.tiling.split) {
    start(device, warps_in(tiling_.tiles()), &fold<Moments>, 0, "fold", static_cast<const StepState*>(nullptr),
          a.tiling, a.partials);
  }
  start(device, tiling_.spans(), &sum_units, 0, "sum_units", a);
}

void Prelude::compose(const Device& device, const StepTables& tables) const {
  if (!maps_) return;
  const StageArguments a = arguments(tables);
  const bool measured = plan_.needs_moments();
  if (measured) {
    start(device, tiling_.spans(), &map_units, 0, "map_units", a);
    start(device, warps_in(tiling_.tensors()), &map_tensors, 0, "map_tensors", a);
    start(device, 1, &map_all, 0, "map_all", a);
  }
  start(device, tiling_.spans(), &finish_maps, 0, "finish_maps", a, measured);
}

void Prelude::finish_decay(const Device& device, const StepTables& tables, const DeviceArray<double>& probes) const {
  StageArguments a = arguments(tables);
  a.probes = probes.data();
  a.probe_count = probes.count();
  for (const PlanTensor& tensor : plan_.tensors()) {
    if (tensor.present()) a.element_count += static_cast<double>(tensor.param.extent.count);
  }
  start(device, 1, &total_second_moment, 0, "total_second_moment", a);
  start(device, tiling_.spans(), &cuda::finish_decay, 0, "finish_decay", a);
}

std::vector<Moments> Prelude::row_moments(const Device& device) const {
  const std::vector<Moments> all = units_.download(device.stream);
  std::vector<Moments> present;
  for (std::size_t i = 0; i < plan_.tensors().size(); ++i) {
    const TiledTensor& tensor = host_tiling_.tensors[i];
    if (!measures_ || !plan_.tensors()[i].present()) continue;
    present.insert(present.end(), all.begin() + tensor.first_unit, all.begin() + tensor.first_unit + tensor.units);
  }
  return present;
}

}  // namespace optim::cuda
