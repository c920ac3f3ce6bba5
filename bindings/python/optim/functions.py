"""The helpers of steps, and what belongs to them, as functions of their own: each takes a tensor or a list of tensors
(torch, NumPy or DLPack; dense; float32, float64, float16 or bfloat16; all on one device) and works in place.

On CUDA the work is queued on torch's current stream (without torch on the default stream)."""

import ctypes
import sys
from array import array

from . import _abi, _buffers
from ._library import check, lib
from ._native import engine_for, tensor_array

_cuda_engines = {}


class _Call:
    """The tensors of one call: their descriptions, and the engine of their device."""

    def __init__(self):
        self.device = None
        self.held = []

    def tensors(self, tensors, name):
        """The array that the library reads of a tensor, or of any iterable of them; None in it is a tensor that is absent."""
        listed = _listed(tensors)
        buffers = []
        for i, tensor in enumerate(listed):
            buffer = _absent() if tensor is None else _buffers.dense(tensor, f"{name}[{i}]")
            if tensor is not None:
                if self.device not in (None, buffer.device):
                    raise ValueError(f"{name}[{i}] is on {buffer.device}; the tensors before it are on {self.device}")
                self.device = buffer.device
            buffers.append(buffer)
        self.held.append(buffers)
        return tensor_array(buffers)

    def gradients(self, tensors, name="grads"):
        """Likewise of gradients, of which those that are None, as of parameters that were not reached, are left out."""
        return self.tensors([tensor for tensor in _listed(tensors) if tensor is not None], name)

    def pairs(self, first, first_name, second, second_name):
        """Two lists; pairs with None are left out."""
        a, b = _listed(first), _listed(second)
        if len(a) != len(b):
            raise ValueError(f"{first_name} has {len(a)} tensors, {second_name} {len(b)}; they must be as many")
        present = [pair for pair in zip(a, b) if pair[0] is not None and pair[1] is not None]
        return self.tensors([x for x, _ in present], first_name), self.tensors([y for _, y in present], second_name)

    def scalar(self, tensor, name):
        """The address of one float32."""
        (found,) = self.tensors(tensor, name)
        if found.dtype != _abi.F32 or any(size != 1 for size in found.shape[: found.rank]):
            raise ValueError(f"{name} is {_buffers.NAMES[found.dtype]} {tuple(found.shape[:found.rank])}; it must be one float32")
        return found.data

    def run(self, function, *arguments):
        """Calls a function of the library with the engine and these arguments."""
        device = self.device or ("cpu", 0)
        if device[0] == "cuda" and device not in _cuda_engines:
            _cuda_engines[device] = engine_for(device)
        engine = _cuda_engines[device] if device[0] == "cuda" else engine_for(device)
        with engine.lock:
            torch = sys.modules.get("torch")
            if device[0] == "cuda" and torch is not None and torch.cuda.is_initialized():
                engine.set_stream(torch.cuda.current_stream(device[1]).cuda_stream)
            check(function(engine.handle, *arguments))


def _listed(tensors):
    one = hasattr(tensors, "__array_interface__") or hasattr(tensors, "__dlpack__") or not hasattr(tensors, "__iter__")
    return [tensors] if one else list(tensors)


def _absent():
    return _buffers.Buffer(None, _abi.F32, (), (), None, None)


def unscale(grads, grad_scale, found_inf):
    """Divides gradients by grad_scale and sets found_inf to 1 where an element is not finite; both are tensors of one float32
    on the device of the gradients, for which nothing waits."""
    call = _Call()
    tensors = call.gradients(grads)
    scale, found = call.scalar(grad_scale, "grad_scale"), call.scalar(found_inf, "found_inf")
    call.run(lib.optim_unscale, len(tensors), tensors, scale, found)


def clip_grad_value(grads, clip_value):
    """Clamps every element to [-clip_value, clip_value]."""
    call = _Call()
    tensors = call.gradients(grads)
    call.run(lib.optim_clip_grad_value, len(tensors), tensors, clip_value)


def clip_grad_norm(grads, max_norm, norm_type=2.0, eps=1e-6):
    """Scales all gradients by min(1, max_norm / (norm + eps)), norm being that of all together (norm_type 1, 2 or inf).
    Returns the norm before; waits for the device."""
    call = _Call()
    tensors = call.gradients(grads)
    norm = ctypes.c_double()
    call.run(lib.optim_clip_grad_norm, len(tensors), tensors, max_norm, norm_type, eps, ctypes.byref(norm))
    return norm.value


def agc(params, grads, clip_val=1e-2, agc_eps=1e-3, division_eps=1e-6):
    """Adaptive gradient clipping (arXiv 2102.06171): each row of a gradient is shortened to clip_val times the norm of the
    parameter's row, which counts as agc_eps at least."""
    call = _Call()
    values, gradients = call.pairs(params, "params", grads, "grads")
    call.run(lib.optim_agc, len(values), values, gradients, clip_val, agc_eps, division_eps)


def centralize(grads, conv_only=False):
    """Subtracts each row's mean (arXiv 2004.01461), of tensors of rank 2 or more; with conv_only of rank 4 or more."""
    call = _Call()
    tensors = call.gradients(grads)
    call.run(lib.optim_centralize, len(tensors), tensors, int(conv_only))


def normalize(grads, channels=False, eps=1e-8):
    """Divides tensors of more than 2 elements by their standard deviation (n - 1) plus eps; with channels row by row."""
    call = _Call()
    tensors = call.gradients(grads)
    call.run(lib.optim_normalize, len(tensors), tensors, int(channels), eps)


def norm_loss(params, lr, factor, eps=1e-8):
    """Pulls the norm of every row of the parameters to 1 with the strength lr * factor (arXiv 2103.06583)."""
    call = _Call()
    tensors = call.tensors(params, "params")
    call.run(lib.optim_norm_loss, len(tensors), tensors, lr, factor, eps)


def stable_weight_decay(params, exp_avg_sqs, lr, weight_decay, beta2, step):
    """Decoupled weight decay divided by the root of the mean second moment (arXiv 2011.11152). Returns that root; waits for
    the device."""
    call = _Call()
    values, moments = call.pairs(params, "params", exp_avg_sqs, "exp_avg_sqs")
    rms = ctypes.c_double()
    arguments = (lr, weight_decay, beta2, step, ctypes.byref(rms))
    call.run(lib.optim_stable_weight_decay, len(values), values, moments, *arguments)
    return rms.value


def lookahead(params, slow_params, alpha=0.5):
    """Moves slow parameters by alpha of the way to the parameters, and sets these to them (arXiv 1907.08610)."""
    call = _Call()
    values, slow = call.pairs(params, "params", slow_params, "slow_params")
    call.run(lib.optim_lookahead, len(values), values, slow, alpha)


def softplus(tensors, beta=50.0):
    """x = log(1 + exp(beta x)) / beta for every element (arXiv 1908.00700)."""
    call = _Call()
    values = call.tensors(tensors, "tensors")
    call.run(lib.optim_softplus, len(values), values, beta)


def unit_norm(tensor):
    """The norms of the rows of a tensor, as a list: shape[0] of them for rank 2 or more, otherwise one. Waits for the device."""
    call = _Call()
    values = call.tensors(tensor, "tensor")
    norms = array("d", [0.0] * (values[0].shape[0] if values[0].rank >= 2 else 1))
    call.run(lib.optim_unit_norm, values, norms.buffer_info()[0])
    return list(norms)


def rademacher(tensors, seed=0, offset=0):
    """Fills tensors with +1 and -1, each with probability 1/2; equal on every device. Take another offset for every probe."""
    call = _Call()
    values = call.tensors(tensors, "tensors")
    call.run(lib.optim_rademacher, len(values), values, seed, offset)


def inverse_root(matrices, roots, p, ridge_epsilon=0.0):
    """roots[i] = matrices[i]^(-1/p) of symmetric positive semidefinite matrices, float32 or float64, in
    double; the ridge is ridge_epsilon times the largest eigenvalue."""
    call = _Call()
    values, targets = call.pairs(matrices, "matrices", roots, "roots")
    call.run(lib.optim_inverse_root, len(values), values, targets, p, ridge_epsilon, None)


def coupled_newton(matrices, roots, p, iterations=100, tolerance=1e-6):
    """roots[i] = matrices[i]^(-1/p) by the coupled Newton iteration (Guo & Higham 2006), for matrices of moderate condition."""
    call = _Call()
    values, targets = call.pairs(matrices, "matrices", roots, "roots")
    arguments = (p, iterations, tolerance, None, None)
    call.run(lib.optim_coupled_newton, len(values), values, targets, *arguments)


def sam_perturb(params, grads, old_params, rho=0.05, adaptive=False, perturb_eps=1e-12, use_gc=False, asam_eta=0.0):
    """Saves params in old_params and moves them to the point of highest loss nearby (arXiv 2010.01412; adaptive: 2102.11600). One whose
    gradient is None is saved and stays."""
    call = _Call()
    params, grads, old_params = map(_listed, (params, grads, old_params))
    values, gradients = call.pairs(params, "params", grads, "grads")
    moved = [None if gradient is None else param for param, gradient in zip(params, grads)]
    _, old = call.pairs(moved, "params", old_params, "old_params")
    if len(old) != len(values):
        raise ValueError("old_params has None where params has a tensor with a gradient")
    sam_restore(old_params, [param if gradient is None else None for param, gradient in zip(params, grads)])  # copies
    options = (rho, int(adaptive), perturb_eps, int(use_gc), asam_eta)
    call.run(lib.optim_sam_perturb, len(values), values, gradients, old, *options)


def sam_restore(params, old_params):
    """Puts params back to the bit."""
    call = _Call()
    values, old = call.pairs(params, "params", old_params, "old_params")
    call.run(lib.optim_sam_restore, len(values), values, old)


def pcgrad(task_grads, merged, reduction="mean", order=None):
    """Gradient surgery (arXiv 2001.06782): projects each task's gradient onto the normal plane of every other that it
    conflicts with, and writes their sum into `merged`.

    Args:
        task_grads: for each of 1 to 64 tasks a list with a gradient, or None, for each tensor.
        merged: a tensor for each.
        reduction: "sum", or "mean": divides the tensors for which every task has a gradient by the number of tasks.
        order: for each task all others, in the order in which it is projected; None: ascending.
    """
    reductions = {"sum": _abi.REDUCTION_SUM, "mean": _abi.REDUCTION_MEAN}
    if reduction not in reductions:
        raise ValueError(f"reduction is {reduction!r}; allowed are {' and '.join(reductions)}")
    if any(len(grads) != len(merged) for grads in task_grads):
        raise ValueError(f"task_grads has lists of {[len(g) for g in task_grads]} gradients; merged has {len(merged)} tensors")
    if order is not None:
        everyone = set(range(len(task_grads)))
        if len(order) != len(task_grads) or any(sorted(o) != sorted(everyone - {t}) for t, o in enumerate(order)):
            raise ValueError(f"order is {order}; it must have for each of {len(task_grads)} tasks all others")
    call = _Call()
    gradients = call.tensors([gradient for grads in task_grads for gradient in grads], "task_grads")
    for i, gradient in enumerate(gradients):  # an absent one has the shape of the others
        if not gradient.data:
            target = _buffers.dense(merged[i % len(merged)], "merged")
            gradients[i : i + 1] = tensor_array([target])
            gradients[i].data = None
    targets = call.tensors(list(merged), "merged")
    others = array("q", [task for row in order for task in row]) if order is not None else None
    address = others.buffer_info()[0] if others else None
    call.run(lib.optim_pcgrad, len(task_grads), len(merged), gradients, targets, address, reductions[reduction])
