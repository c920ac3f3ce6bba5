"""Dynamic loss scaling that is decided on the device."""

import ctypes

import torch

from . import _abi
from ._library import check, lib, struct
from ._native import engine_for

_RULES = {"amp": _abi.LOSS_SCALE_AMP, "fairseq": _abi.LOSS_SCALE_FAIRSEQ}


class LossScaler:
    """Multiplies losses so that small gradients survive float16; the scale falls when gradients overflow and grows again.
    Nothing waits for the device: an optimizer's step unscales, finds overflows and skips itself, in its one pass.

        scaler = LossScaler()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    torch.cuda.amp.GradScaler works with all optimizers, too; this one also on the CPU, and by fairseq's rules.

    Args:
        rule: "amp" (torch's GradScaler) or "fairseq" (its DynamicLossScaler).
        device: of the optimizers' parameters.
        options: init_scale, growth_factor, backoff_factor, growth_interval (fairseq: scale_window), tolerance, threshold,
            min_scale; 0 is the rule's default.
    """

    def __init__(self, rule="amp", device="cpu", **options):
        allowed = [name for name, _ in _abi.LossScaleOptions._fields_ if name not in ("size", "rule", "reserved")]
        unknown = [name for name in options if name not in allowed]
        if rule not in _RULES or unknown:
            wrong = f"option {', '.join(unknown)}" if unknown else f"rule {rule!r}"
            raise ValueError(f"there is no {wrong}; the rules are amp and fairseq, the options {', '.join(allowed)}")
        self._options = struct(_abi.LossScaleOptions, rule=_RULES[rule], **options)
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

    def scale(self, loss):
        """The loss times the scale."""
        return loss * self._scalar("scale").to(loss.dtype)

    def step(self, optimizer, *args, **kwargs):
        """A step of an optimizer of this module, skipped as a whole where its gradients have overflowed."""
        optimizer.grad_scale, optimizer.overflow = self._scalar("scale"), self._scalar("overflow")
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            del optimizer.grad_scale, optimizer.overflow

    def update(self):
        """Moves the scale, once after the steps of all optimizers."""
        self._call(lib.optim_loss_scale_update)

    def get_scale(self):
        """The scale now; waits for the device."""
        return float(self._scalar("scale"))

    def state_dict(self):
        return {"state": self._memory.clone()}

    def load_state_dict(self, state_dict):
        self._memory.copy_(state_dict["state"])
