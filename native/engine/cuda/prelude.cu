#include "engine/cuda/prelude.h"

#include "engine/cuda/check.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/measure.cuh"

namespace optim::cuda {

void Prelude::configure(const Device& device, bool measures) {
  const Wants wants{measures || plan_.needs_moments(), plan_.needs_mapped_moments(), plan_.maps_by_row()};
  if (wants == now_) return;
  Tiling tiling(tile_length);
  DeviceTiling device_tiling;
  DeviceCascade cascade;
  if (wants.measures) {
    for (const PlanTensor& tensor : plan_.tensors()) tiling.add(tensor.param.extent, wants.by_row, true);
    device_tiling = DeviceTiling(tiling, device.stream);
    cascade = DeviceCascade(tiling, device.stream);
  }
  DeviceArray<Moments> units(wants.measures ? tiling.units : 0);
  DeviceArray<Moments> values(wants.measures ? cascade.values() : 0);
  DeviceArray<Moments> mapped(wants.maps_tensors ? cascade.values() : 0);
  DeviceArray<TensorMap> maps(wants.maps_tensors ? static_cast<std::int64_t>(tiling.tensors.size()) : 0);
  units.clear(device.stream);
  values.clear(device.stream);  // tensors without elements count as zeros
  mapped.clear(device.stream);
  maps.clear(device.stream);

  now_ = wants;
  host_tiling_ = std::move(tiling);
  tiling_ = std::move(device_tiling);
  cascade_ = std::move(cascade);
  units_ = std::move(units);
  values_ = std::move(values);
  mapped_ = std::move(mapped);
  maps_ = std::move(maps);
}

void Prelude::describe(StepTables& tables) const {
  const bool measured = plan_.needs_moments();
  tables.moments = measured ? units_.data() : nullptr;
  tables.moment_units = tiling_.view().tensors;
  tables.maps = now_.maps_tensors ? maps_.data() : nullptr;
  tables.mapped = measured || plan_.needs_second_moment();
  tables.by_row = tables.mapped && plan_.maps_by_row();
}

void Prelude::measure(const Device& device, const StepTables& tables, const StepInputs& inputs) const {
  if (tiling_.tiles() == 0) return;
  StageArguments a{};
  a.step = tables;
  a.tiling = tiling_.view();
  a.cascade = cascade_.view();
  a.units = units_.data();
  a.values = values_.data();
  a.mapped = mapped_.data();
  a.overflow = inputs.overflow;
  a.adanorm_slot = plan_.rule().adanorm_slot;
  a.with_params = plan_.needs_param_moments();
  a.skips = inputs.skip_nonfinite || plan_.helpers().skip_nonfinite;
  if (a.skips || a.overflow != nullptr) {
    for (const int slot : plan_.rule().inputs) a.inputs |= 1u << slot;
  }
  a.maps_tensors = now_.maps_tensors;
  a.maps_at_once = now_.maps_tensors && plan_.helpers().clip_norm == 0;
  const std::size_t runs = a.tiling.grouped ? 2 * block_threads * sizeof(Moments) : 0;
  check(launch(device.stream, plan_.in_double() ? &cuda::measure<double> : &cuda::measure<float>,
               dim3(device.blocks(tiling_.tiles())), dim3(block_threads), runs, a),
        "measure");
}

std::vector<Moments> Prelude::row_moments(const Device& device) const {
  const std::vector<Moments> all = units_.download(device.stream);
  std::vector<Moments> present;
  for (std::size_t i = 0; i < plan_.tensors().size(); ++i) {
    const TiledTensor* const tensor = now_.measures ? &host_tiling_.tensors[i] : nullptr;
    if (tensor == nullptr || !plan_.tensors()[i].present()) continue;
    present.insert(present.end(), all.begin() + tensor->first_unit, all.begin() + tensor->first_unit + tensor->units);
  }
  return present;
}

}  // namespace optim::cuda
