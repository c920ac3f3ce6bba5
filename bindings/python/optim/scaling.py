"""Dynamic loss scaling that is decided on the device."""

import ctypes

import torch

from . import _abi, functions
from ._library import check, lib, struct
from ._native import engine_for
from ._torch_optimizer import Optimizer
from .wrappers import SAM, Wrapper

_RULES = {"amp": _abi.LOSS_SCALE_AMP, "fairseq": _abi.LOSS_SCALE_FAIRSEQ}
_OPTIONS = [name for name, _ in _abi.LossScaleOptions._fields_ if name not in ("size", "rule", "reserved")]


class LossScaler:
    """Multiplies losses so that small gradients survive float16; the scale falls when gradients overflow and grows again.
    Nothing waits for the device: a step of an optimizer of this module unscales, finds overflows and skips itself, in its one pass. The
    gradients of other optimizers are unscaled before their step, which waits for the device to know whether to make it.

        scaler = LossScaler()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    It is called as torch.cuda.amp.GradScaler is, which works with all optimizers of this module, too; this one also on the CPU, and by
    fairseq's rules.

    Args:
        rule: "amp" (torch's GradScaler) or "fairseq" (its DynamicLossScaler).
        device: of the optimizers' parameters.
        enabled: False makes `scale` and `update` do nothing, and `step` a step of the optimizer.
        options: init_scale, growth_factor, backoff_factor, growth_interval (fairseq: scale_window), tolerance, threshold,
            min_scale; 0 is the rule's default.
    """

    def __init__(self, rule="amp", device="cpu", enabled=True, **options):
        unknown = [name for name in options if name not in _OPTIONS]
        if rule not in _RULES or unknown:
            wrong = f"option {', '.join(unknown)}" if unknown else f"rule {rule!r}"
            raise ValueError(f"there is no {wrong}; the rules are amp and fairseq, the options {', '.join(_OPTIONS)}")
        self.rule, self._enabled = rule, bool(enabled)
        self._options = struct(_abi.LossScaleOptions, rule=_RULES[rule], **options)
        self._stages = {}  # of the optimizers since the last update, by id: "unscaled" or "stepped"
        self._found = {}  # whether unscaling found an overflow, by id, on the device
        device = torch.device(device)
        self._memory = torch.zeros(ctypes.sizeof(_abi.LossScale) // 8, dtype=torch.float64, device=device)
        self._engine = engine_for((device.type, self._memory.device.index or 0))
        self._call(lib.optim_loss_scale_init)

    def _call(self, function):
        if self._memory.device.type == "cuda":
            self._engine.set_stream(torch.cuda.current_stream(self._memory.device).cuda_stream)
        state = ctypes.cast(self._memory.data_ptr(), ctypes.POINTER(_abi.LossScale))
        with self._engine.lock:
            check(function(self._engine.handle, self._options, state))

    def _scalar(self, name):
        return self._memory.view(torch.float32)[getattr(_abi.LossScale, name).offset // 4]

    def is_enabled(self):
        return self._enabled

    def scale(self, outputs):
        """The loss, or each of a list or tuple of losses, times the scale. Losses of 16 bits become float32, which holds the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, torch.Tensor):
            scale = self._scalar("scale").to(outputs.device)
            small = outputs.dtype in (torch.float16, torch.bfloat16)
            return outputs.float() * scale if small else outputs * scale.to(outputs.dtype)
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(map(self.scale, outputs))
        raise TypeError(f"outputs is a {type(outputs).__name__}; a tensor, or a list or tuple of tensors, is needed")

    def unscale_(self, optimizer):
        """Divides the gradients of an optimizer by the scale now, to be looked at or clipped before `step`, at most once between two
        updates."""
        if not self._enabled:
            return
        stage = self._stages.get(id(optimizer))
        if stage is not None:
            raise RuntimeError(f"unscale_ was called for an optimizer that was {stage} since the last update")
        lists = {}
        for param in (param for group in optimizer.param_groups for param in group["params"]):
            if param.grad is not None:
                lists.setdefault((param.grad.device, param.grad.dtype == torch.float64), []).append(param.grad)
        flag = self._scalar("overflow")
        found = torch.zeros_like(flag)
        for (device, _), gradients in lists.items():
            overflow = torch.zeros((), dtype=torch.float32, device=device)
            functions.unscale(gradients, self._scalar("scale").to(device), overflow)
            found = torch.maximum(found, overflow.to(flag.device))
        flag.copy_(torch.maximum(flag, found))
        self._stages[id(optimizer)], self._found[id(optimizer)] = "unscaled", found

    def step(self, optimizer, *args, **kwargs):
        """A step of an optimizer, skipped as a whole where its gradients have overflowed; one for each optimizer between two updates.

        Returns:
            What the optimizer's step returns; None where it is another library's and was skipped.

        Raises:
            RuntimeError: the optimizer made its step already, or is given a closure, whose gradients are scaled, where they are unscaled
                ahead of the step: by `unscale_`, or because the optimizer is another library's.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        stage = self._stages.get(id(optimizer))
        if stage == "stepped":
            raise RuntimeError("step was already called for this optimizer since the last update")
        unscales = _unscales(optimizer)
        if callable(kwargs.get("closure", args[0] if args else None)) and (not unscales or stage == "unscaled"):
            raise RuntimeError("the closure would give scaled gradients to a step that takes unscaled ones; call step without it")
        if not unscales and stage is None:
            self.unscale_(optimizer)
        self._stages[id(optimizer)] = "stepped"
        if not unscales:
            return None if self._found[id(optimizer)].item() else optimizer.step(*args, **kwargs)
        if stage == "unscaled":
            scalars = {"found_inf": self._found[id(optimizer)]}
        else:
            scalars = {"grad_scale": self._scalar("scale"), "overflow": self._scalar("overflow")}
        for name, value in scalars.items():
            setattr(optimizer, name, value)
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            for name in scalars:
                delattr(optimizer, name)

    def update(self):
        """Moves the scale, once after the steps of all optimizers."""
        self._stages.clear()
        self._found.clear()
        if self._enabled:
            self._call(lib.optim_loss_scale_update)

    def get_scale(self):
        """The scale now; waits for the device."""
        return float(self._scalar("scale")) if self._enabled else 1.0

    def _read(self):
        memory = self._memory.cpu()
        return _abi.LossScale.from_buffer_copy(ctypes.string_at(memory.data_ptr(), ctypes.sizeof(_abi.LossScale)))

    def _write(self, state):
        values = torch.frombuffer(bytearray(bytes(state)), dtype=torch.float64)
        self._memory.copy_(values)

    def state_dict(self):
        """The state under the names of torch's GradScaler; by fairseq's rules the numbers of `optim_loss_scale`. Empty if this one is not
        enabled. Waits for the device."""
        if not self._enabled:
            return {}
        state = self._read()
        if self.rule != "amp":
            return {name: getattr(state, name) for name, _ in _abi.LossScale._fields_ if name != "reserved"}
        options = self._options
        return {
            "scale": state.scale,
            "growth_factor": options.growth_factor or 2.0,
            "backoff_factor": options.backoff_factor or 0.5,
            "growth_interval": options.growth_interval or 2000,
            "_growth_tracker": state.growth_tracker,
        }

    def load_state_dict(self, state_dict):
        """Loads a state of this class or of torch's GradScaler."""
        if not self._enabled:
            return
        expected = self.state_dict()
        missing = [name for name in expected if name not in state_dict]
        if missing:
            raise ValueError(f"the state has no {', '.join(missing)}; it has {', '.join(map(str, state_dict)) or 'nothing'}")
        state = self._read()
        state.overflow = 0
        options = struct(_abi.LossScaleOptions)
        ctypes.pointer(options)[0] = self._options
        for name in expected:
            value = state_dict[name]
            target = options if hasattr(_abi.LossScaleOptions, name) else state
            try:
                setattr(target, name.lstrip("_"), type(expected[name])(value))
            except (TypeError, ValueError):
                raise ValueError(f"{name} of the state is {value!r}; a number is needed") from None
        before, self._options = self._options, options
        try:
            self._call(lib.optim_loss_scale_init)  # refuses options that are not allowed
        except BaseException:
            self._options = before
            raise
        self._write(state)

    def __getstate__(self):
        if self._stages:
            raise RuntimeError("a scaler is copied or pickled at the beginning or the end of an iteration, after update")
        options = {name: getattr(self._options, name) for name in _OPTIONS}
        return {"rule": self.rule, "device": str(self._memory.device), "enabled": self._enabled, "options": options, "memory": bytes(self._read())}

    def __setstate__(self, state):
        self.__init__(state["rule"], state["device"], state["enabled"], **state["options"])
        self._write(_abi.LossScale.from_buffer_copy(state["memory"]))


def _unscales(optimizer):
    """Whether the steps of an optimizer unscale gradients themselves: those of this module do, in whatever they are wrapped."""
    inner, wrappers = optimizer, []
    while isinstance(inner, Wrapper):
        wrappers.append(inner)
        inner = inner.optimizer
    if isinstance(inner, Optimizer):
        return True
    if any(isinstance(wrapper, SAM) for wrapper in wrappers):
        raise TypeError(
            f"SAM around {type(inner).__name__} steps with gradients that nobody unscales between its two steps; "
            "a loss scaler takes SAM around an optimizer of this module"
        )
    return False
