"""The C ABI, from optim.h. Written by bindings/Optim.Generator; do not edit."""

from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int32, c_int64, c_uint64, c_void_p

BF16 = 4
CPU = 0
CUDA = 1
DEVICE_ERROR = 5
F16 = 3
F32 = 1
F64 = 2
INTERNAL = 6
INVALID_ARGUMENT = 1
LOSS_SCALE_AMP = 0
LOSS_SCALE_FAIRSEQ = 1
MAX_RANK = 8
NOT_FOUND = 2
OK = 0
OUT_OF_MEMORY = 3
PULLBACK_NONE = 0
PULLBACK_PULLBACK = 2
PULLBACK_RESET = 1
REDUCTION_MEAN = 1
REDUCTION_SUM = 0
ROOT_COUNTS = 2
ROOT_INDEFINITE = 1
ROOT_SKIPPED = 0
ROW_MAJOR = 0
STRIDED = 1
UNSUPPORTED = 4
VERSION_MAJOR = 0
VERSION_MINOR = 1
VERSION_PATCH = 0


class EngineOptions(Structure):
    _fields_ = [
        ("size", c_uint64),
        ("device_type", c_int32),
        ("device_index", c_int32),
        ("threads", c_int32),
        ("reserved", c_int32),
        ("stream", c_void_p),
    ]


class Tensor(Structure):
    _fields_ = [
        ("size", c_uint64),
        ("data", c_void_p),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("layout", c_int32),
        ("reserved", c_int32),
        ("shape", c_int64 * 8),
        ("strides", c_int64 * 8),
    ]


class Helpers(Structure):
    _fields_ = [
        ("size", c_uint64),
        ("skip_nonfinite", c_int32),
        ("centralize", c_int32),
        ("centralize_conv_only", c_int32),
        ("normalize", c_int32),
        ("normalize_channels", c_int32),
        ("lookahead_k", c_int32),
        ("lookahead_pullback", c_int32),
        ("reserved", c_int32),
        ("clip_value", c_double),
        ("clip_norm", c_double),
        ("clip_norm_type", c_double),
        ("clip_norm_eps", c_double),
        ("agc_clip_val", c_double),
        ("agc_eps", c_double),
        ("agc_division_eps", c_double),
        ("normalize_eps", c_double),
        ("stable_weight_decay", c_double),
        ("norm_loss_factor", c_double),
        ("norm_loss_eps", c_double),
        ("lookahead_alpha", c_double),
    ]


class PlanOptions(Structure):
    _fields_ = [
        ("size", c_uint64),
        ("rule", c_char_p),
        ("group_count", c_int64),
        ("hyper_count", c_int64),
        ("hypers", c_void_p),
        ("tensor_count", c_int64),
        ("params", POINTER(Tensor)),
        ("group_of", c_void_p),
        ("helpers", POINTER(Helpers)),
        ("grad_dtype", c_int32),
        ("state_dtype", c_int32),
        ("master_weights", c_int32),
        ("stochastic_rounding", c_int32),
        ("rounding_seed", c_uint64),
        ("steps_by_group", c_void_p),
    ]


class Slot(Structure):
    _fields_ = [
        ("size", c_uint64),
        ("name", c_char_p),
        ("bytes", c_uint64),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("shape", c_int64 * 8),
    ]


class Step(Structure):
    _fields_ = [
        ("size", c_uint64),
        ("grad_scale", c_void_p),
        ("found_inf", c_void_p),
        ("overflow", c_void_p),
    ]


class LossScaleOptions(Structure):
    _fields_ = [
        ("size", c_uint64),
        ("rule", c_int32),
        ("reserved", c_int32),
        ("init_scale", c_double),
        ("growth_factor", c_double),
        ("backoff_factor", c_double),
        ("growth_interval", c_int64),
        ("tolerance", c_double),
        ("threshold", c_double),
        ("min_scale", c_double),
    ]


class LossScale(Structure):
    _fields_ = [
        ("scale", c_float),
        ("overflow", c_float),
        ("failed", c_int32),
        ("reserved", c_int32),
        ("growth_tracker", c_int64),
        ("iteration", c_int64),
        ("last_overflow", c_int64),
        ("last_rescale", c_int64),
        ("overflows", c_int64),
    ]


# Of each function the type of its result, and of its parameters by name.
FUNCTIONS = {
    "optim_last_error": (
        c_char_p,
        {
        },
    ),
    "optim_status_name": (
        c_char_p,
        {
            "status": c_int32,
        },
    ),
    "optim_version": (
        c_char_p,
        {
        },
    ),
    "optim_schema_json": (
        c_char_p,
        {
        },
    ),
    "optim_device_count": (
        c_int32,
        {
            "device_type": c_int32,
            "count": c_void_p,
        },
    ),
    "optim_engine_create": (
        c_int32,
        {
            "options": POINTER(EngineOptions),
            "engine": c_void_p,
        },
    ),
    "optim_engine_free": (
        None,
        {
            "engine": c_void_p,
        },
    ),
    "optim_engine_description": (
        c_int32,
        {
            "engine": c_void_p,
            "description": c_void_p,
        },
    ),
    "optim_engine_set_stream": (
        c_int32,
        {
            "engine": c_void_p,
            "stream": c_void_p,
        },
    ),
    "optim_engine_synchronize": (
        c_int32,
        {
            "engine": c_void_p,
        },
    ),
    "optim_buffer_alloc": (
        c_int32,
        {
            "engine": c_void_p,
            "bytes": c_uint64,
            "buffer": c_void_p,
        },
    ),
    "optim_buffer_free": (
        None,
        {
            "engine": c_void_p,
            "buffer": c_void_p,
        },
    ),
    "optim_buffer_copy": (
        c_int32,
        {
            "engine": c_void_p,
            "destination": c_void_p,
            "source": c_void_p,
            "bytes": c_uint64,
        },
    ),
    "optim_unscale": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "grads": POINTER(Tensor),
            "grad_scale": c_void_p,
            "found_inf": c_void_p,
        },
    ),
    "optim_clip_grad_value": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "grads": POINTER(Tensor),
            "clip_value": c_double,
        },
    ),
    "optim_clip_grad_norm": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "grads": POINTER(Tensor),
            "max_norm": c_double,
            "norm_type": c_double,
            "eps": c_double,
            "norm": c_void_p,
        },
    ),
    "optim_agc": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "params": POINTER(Tensor),
            "grads": POINTER(Tensor),
            "clip_val": c_double,
            "agc_eps": c_double,
            "division_eps": c_double,
        },
    ),
    "optim_centralize": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "grads": POINTER(Tensor),
            "conv_only": c_int32,
        },
    ),
    "optim_normalize": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "grads": POINTER(Tensor),
            "channels": c_int32,
            "eps": c_double,
        },
    ),
    "optim_norm_loss": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "params": POINTER(Tensor),
            "lr": c_double,
            "factor": c_double,
            "eps": c_double,
        },
    ),
    "optim_stable_weight_decay": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "params": POINTER(Tensor),
            "exp_avg_sqs": POINTER(Tensor),
            "lr": c_double,
            "weight_decay": c_double,
            "beta2": c_double,
            "step": c_int64,
            "rms": c_void_p,
        },
    ),
    "optim_lookahead": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "params": POINTER(Tensor),
            "slow_params": POINTER(Tensor),
            "alpha": c_double,
        },
    ),
    "optim_softplus": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "tensors": POINTER(Tensor),
            "beta": c_double,
        },
    ),
    "optim_unit_norm": (
        c_int32,
        {
            "engine": c_void_p,
            "tensor": POINTER(Tensor),
            "norms": c_void_p,
        },
    ),
    "optim_sam_perturb": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "params": POINTER(Tensor),
            "grads": POINTER(Tensor),
            "old_params": POINTER(Tensor),
            "rho": c_double,
            "adaptive": c_int32,
            "perturb_eps": c_double,
            "use_gc": c_int32,
            "asam_eta": c_double,
        },
    ),
    "optim_sam_restore": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "params": POINTER(Tensor),
            "old_params": POINTER(Tensor),
        },
    ),
    "optim_pcgrad": (
        c_int32,
        {
            "engine": c_void_p,
            "task_count": c_int64,
            "tensor_count": c_int64,
            "task_grads": POINTER(Tensor),
            "merged": POINTER(Tensor),
            "order": c_void_p,
            "reduction": c_int32,
        },
    ),
    "optim_rademacher": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "tensors": POINTER(Tensor),
            "seed": c_uint64,
            "offset": c_uint64,
        },
    ),
    "optim_plan_create": (
        c_int32,
        {
            "engine": c_void_p,
            "options": POINTER(PlanOptions),
            "plan": c_void_p,
        },
    ),
    "optim_plan_free": (
        None,
        {
            "plan": c_void_p,
        },
    ),
    "optim_plan_slot_count": (
        c_int32,
        {
            "plan": c_void_p,
            "tensor": c_int64,
            "count": c_void_p,
        },
    ),
    "optim_plan_slot": (
        c_int32,
        {
            "plan": c_void_p,
            "tensor": c_int64,
            "index": c_int64,
            "slot": POINTER(Slot),
        },
    ),
    "optim_plan_bind": (
        c_int32,
        {
            "plan": c_void_p,
            "params": c_void_p,
            "grads": c_void_p,
            "states": c_void_p,
        },
    ),
    "optim_plan_bind_inputs": (
        c_int32,
        {
            "plan": c_void_p,
            "inputs": c_void_p,
        },
    ),
    "optim_plan_init_states": (
        c_int32,
        {
            "plan": c_void_p,
        },
    ),
    "optim_plan_step": (
        c_int32,
        {
            "plan": c_void_p,
            "options": POINTER(Step),
        },
    ),
    "optim_plan_get_steps": (
        c_int32,
        {
            "plan": c_void_p,
            "steps": c_void_p,
            "input_steps": c_void_p,
            "stepped": c_void_p,
        },
    ),
    "optim_plan_set_steps": (
        c_int32,
        {
            "plan": c_void_p,
            "steps": c_void_p,
            "input_steps": c_void_p,
            "stepped": c_void_p,
        },
    ),
    "optim_plan_get_hypers": (
        c_int32,
        {
            "plan": c_void_p,
            "group": c_int64,
            "hypers": c_void_p,
            "count": c_int64,
        },
    ),
    "optim_plan_set_hypers": (
        c_int32,
        {
            "plan": c_void_p,
            "group": c_int64,
            "hypers": c_void_p,
            "count": c_int64,
        },
    ),
    "optim_plan_bytes_per_step": (
        c_int32,
        {
            "plan": c_void_p,
            "bytes": c_void_p,
        },
    ),
    "optim_plan_queued_work": (
        c_int32,
        {
            "plan": c_void_p,
            "launches": c_void_p,
            "uploads": c_void_p,
        },
    ),
    "optim_inverse_root": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "matrices": POINTER(Tensor),
            "roots": POINTER(Tensor),
            "p": c_int32,
            "ridge_epsilon": c_double,
            "counts": c_void_p,
        },
    ),
    "optim_coupled_newton": (
        c_int32,
        {
            "engine": c_void_p,
            "count": c_int64,
            "matrices": POINTER(Tensor),
            "roots": POINTER(Tensor),
            "p": c_int32,
            "iterations": c_int32,
            "tolerance": c_double,
            "errors": c_void_p,
            "counts": c_void_p,
        },
    ),
    "optim_plan_root_counts": (
        c_int32,
        {
            "plan": c_void_p,
            "counts": c_void_p,
        },
    ),
    "optim_loss_scale_init": (
        c_int32,
        {
            "engine": c_void_p,
            "options": POINTER(LossScaleOptions),
            "state": POINTER(LossScale),
        },
    ),
    "optim_loss_scale_update": (
        c_int32,
        {
            "engine": c_void_p,
            "options": POINTER(LossScaleOptions),
            "state": POINTER(LossScale),
        },
    ),
    "optim_schedule_value": (
        c_int32,
        {
            "name": c_char_p,
            "values": c_void_p,
            "count": c_int64,
            "step": c_int64,
            "value": c_void_p,
        },
    ),
}
