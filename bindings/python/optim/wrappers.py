"""Lookahead, sharpness-aware minimization and gradient surgery around optimizers."""

import random
from collections import namedtuple

import torch

from . import functions
from ._native import Plan, engine_for
from ._torch_binding import Bucket, partition
from ._torch_optimizer import Optimizer, _scalars_of

_AMP = ("grad_scale", "found_inf", "overflow")
_Rule = namedtuple("_Rule", ["name", "needs", "slots"])  # what a Bucket asks of a rule that is not in the catalogue


class Wrapper(torch.optim.Optimizer):
    """An optimizer around another: parameter groups, states and everything else are those of `optimizer`, so that
    learning-rate schedulers and gradient scalers work on either."""

    _step_supports_amp_scaling = property(lambda self: getattr(self.optimizer, "_step_supports_amp_scaling", False))
    param_groups = property(lambda self: self.optimizer.param_groups)
    state = property(lambda self: self.optimizer.state)
    defaults = property(lambda self: self.optimizer.defaults)

    def __init__(self, optimizer):
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"optimizer is a {type(optimizer).__name__}; a torch.optim.Optimizer is needed")
        self.optimizer = optimizer

    def __getattr__(self, name):
        if name == "optimizer":  # not yet there, while unpickling
            raise AttributeError(name)
        return getattr(self.optimizer, name)

    def __setattr__(self, name, value):
        if name in _AMP:
            setattr(self.optimizer, name, value)
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name):
        if name in _AMP:
            delattr(self.optimizer, name)
        else:
            super().__delattr__(name)

    def __getstate__(self):
        # A scheduler that has wrapped `step` puts its own function into the instance.
        return {name: value for name, value in self.__dict__.items() if name != "step"}

    def __setstate__(self, state):
        self.__dict__.update(state)

    def __repr__(self):
        return f"{type(self).__name__} ({self.optimizer!r})"

    def step(self, closure=None, **inputs):
        scaler = inputs.pop("grad_scaler", None)  # torch 1.13's GradScaler hands itself over, and knows this wrapper
        if scaler is None:
            return self.optimizer.step(closure, **inputs)
        for name, value in zip(_AMP, _scalars_of(scaler, self)):
            setattr(self, name, value)
        try:
            return self.optimizer.step(closure, **inputs)
        finally:
            for name in _AMP:
                delattr(self, name)

    def zero_grad(self, set_to_none=True):
        self.optimizer.zero_grad(set_to_none=set_to_none)

    def add_param_group(self, param_group):
        self.optimizer.add_param_group(param_group)

    def state_dict(self):
        return self.optimizer.state_dict()

    def load_state_dict(self, state_dict):
        self.optimizer.load_state_dict(state_dict)


class Lookahead(Wrapper):
    """Lookahead (arXiv 1907.08610), fused into the step of an optimizer of this module: every k steps the parameters are
    blended with slow ones. The same as its options lookahead_k, lookahead_alpha and lookahead_pullback.

    Args:
        optimizer: an optimizer of this module that has made no step, or a class of it (then kwargs are its arguments).
        k: steps between two blends.
        alpha: weight of the fast parameters, in [0, 1].
        pullback_momentum: what a blend does to the first moment: "none", "reset" or "pullback".
    """

    def __init__(self, optimizer, k=5, alpha=0.5, pullback_momentum="none", **kwargs):
        optimizer = optimizer(**kwargs) if isinstance(optimizer, type) else optimizer
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"Lookahead is fused into the optimizers of optim; {type(optimizer).__name__} is none of them")
        if k < 1:
            raise ValueError(f"k is {k}; allowed is 1 or more")
        super().__init__(optimizer)
        optimizer.switch_on(lookahead_k=k, lookahead_alpha=alpha, lookahead_pullback=pullback_momentum)
        self._fast = []

    @torch.no_grad()
    def backup_and_load_cache(self):
        """Puts the slow parameters into place, to evaluate the model with them."""
        if self._fast:
            raise RuntimeError("the slow parameters are in place; clear_and_load_backup comes next")
        for group in self.param_groups:
            for param in group["params"]:
                slow = self.state.get(param, {}).get("slow_params")
                if slow is not None:  # there is one from the first step on
                    self._fast.append((param, param.detach().clone()))
                    param.copy_(slow)

    @torch.no_grad()
    def clear_and_load_backup(self):
        """Puts the parameters of before back, to go on training."""
        for param, fast in self._fast:
            param.copy_(fast)
        self._fast = []


class SAM(Wrapper):
    """Sharpness-aware minimization, SAM (arXiv 2010.01412) and ASAM (arXiv 2102.11600): steps with the gradient of the point
    of highest loss nearby.

        loss(model).backward()
        optimizer.first_step(zero_grad=True)   # to that point
        loss(model).backward()
        optimizer.second_step(zero_grad=True)  # back, to the bit, and a step of the optimizer

    Args:
        params: parameters, or dictionaries of parameter groups, which may have the options below, too.
        base_optimizer: a class of this module or of torch.optim; kwargs are its options.
        rho: how far to go; `group["rho"]` is read at each step, as all of these.
        adaptive: scale the way by the size of each parameter (ASAM).
        use_gc: centralize the gradients per row first.
        perturb_eps: added to the norm of the gradients, which is over the parameters of one device.
        asam_eta: added to the size of each parameter.
    """

    OPTIONS = ("rho", "adaptive", "perturb_eps", "use_gc", "asam_eta")

    def __init__(
        self, params, base_optimizer, rho=0.05, adaptive=False, use_gc=False, perturb_eps=1e-12, asam_eta=0.0, **kwargs
    ):
        options = dict(zip(self.OPTIONS, (rho, adaptive, perturb_eps, use_gc, asam_eta)))
        Plan(engine_for(("cpu", 0)), "sam_perturb", [tuple(map(float, options.values()))])  # refuses what is not allowed
        super().__init__(base_optimizer(params, **kwargs))
        self._options, self._pairs = options, None
        self._perturbed, self._saved = False, []  # places of parameters, these, and what they were
        self._build()

    def __getstate__(self):
        if self._perturbed:
            raise RuntimeError("the parameters are perturbed; second_step comes first")
        return {**super().__getstate__(), "_pairs": None}

    def state_dict(self):
        """The state of the optimizer; the options of each group, of this wrapper too, are in its groups. Not between the two steps,
        when the parameters are elsewhere."""
        if self._perturbed:
            raise RuntimeError("the parameters are perturbed; second_step comes first")
        self._rows()  # groups that were added or loaded have all options
        return super().state_dict()

    def _rows(self):
        for group in self.param_groups:
            for name, value in self._options.items():
                group.setdefault(name, value)
        return [tuple(float(group[name]) for name in self.OPTIONS) for group in self.param_groups]

    def _build(self):
        rows, pairs = self._rows(), []
        for members in partition(self.param_groups, lambda param: param.requires_grad):
            perturb = Bucket(rows, _Rule("sam_perturb", (), ()), *members, {"grad_dtype": 0})
            perturb.refresh()
            pairs.append((perturb, perturb.make_states([{}] * len(perturb.params))))
        self._pairs, self._bound = pairs, self._members()

    def _members(self):
        return [[id(p) for p in group["params"] if p.requires_grad] for group in self.param_groups]

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        """Saves the parameters and moves those that have a gradient to the point of highest loss nearby."""
        if self._perturbed:
            raise RuntimeError("the first step was already made; second_step comes next")
        fits = self._pairs is not None and self._bound == self._members()
        if not fits or not all([perturb.refresh() for perturb, _ in self._pairs]):
            self._build()
            for perturb, _ in self._pairs:
                perturb.refresh()
        rows = self._rows()
        for perturb, states in self._pairs:
            perturb.step(rows)
            moved = [i for i, param in enumerate(perturb.params) if param.grad is not None]
            self._saved += [(perturb.places[i], perturb.params[i], old) for i in moved for old in states[i].values()]
        self._perturbed = True
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def restore(self):
        """Brings the parameters back, to the bit, without a step. They may have been given other memory in the meantime, of their
        shape."""
        if not self._perturbed:
            raise RuntimeError("the parameters are not perturbed; first_step comes first")
        for place, param, old in self._saved:
            if param.shape != old.shape:
                raise ValueError(f"params[{place}] was perturbed as {tuple(old.shape)} and is now {tuple(param.shape)}; give it that shape")
        for _, param, old in reversed(self._saved):  # of two that are the same memory the second was perturbed last
            param.data.copy_(old)
        self._perturbed, self._saved = False, []

    def second_step(self, zero_grad=False):
        """Brings the parameters back, to the bit, and steps the optimizer with the gradients of now."""
        self.restore()
        self.optimizer.step()
        if zero_grad:
            self.zero_grad()

    def step(self, closure=None):
        """Both steps. The gradients at the parameters are there already; the closure computes loss and gradients anew, at
        the moved ones, whose loss is returned. Should it fail, the parameters are those of before."""
        if closure is None:
            raise TypeError("SAM.step needs a closure that computes the loss and its gradients anew")
        self.first_step(zero_grad=True)
        try:
            with torch.enable_grad():
                loss = closure()
        except BaseException:
            self.restore()
            raise
        self.second_step()
        return loss


class PCGrad(Wrapper):
    """Gradient surgery for several tasks (arXiv 2001.06782): where the gradients of two tasks conflict, each is projected
    onto the normal plane of the other.

        optimizer = PCGrad(optim.AdamW(model.parameters()))
        optimizer.pc_backward([loss_a, loss_b])
        optimizer.step()

    Args:
        optimizer: the optimizer that makes the steps.
        reduction: "mean", or "sum" of the tasks' gradients.
    """

    def __init__(self, optimizer, reduction="mean"):
        super().__init__(optimizer)
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction is {reduction!r}; allowed are mean and sum")
        self.reduction = reduction

    def reset(self):
        """Drops the gradients, as in pytorch_optimizer; `optimizer.reset` forgets the states."""
        self.zero_grad()

    def pc_backward(self, objectives):
        """Sets the gradients of the parameters to the merged ones of 1 to 64 losses. The order of projections is random, by
        Python's `random`, as in the paper."""
        objectives = list(objectives)
        params = [param for group in self.param_groups for param in group["params"]]
        gradients = []
        for i, objective in enumerate(objectives):
            self.zero_grad(set_to_none=True)
            objective.backward(retain_graph=i + 1 < len(objectives))
            gradients.append([param.grad for param in params])
        reached = [i for i in range(len(params)) if any(task[i] is not None for task in gradients)]
        merged = [torch.empty_like(params[i]) for i in reached]
        tasks = range(len(objectives))
        order = [random.sample([t for t in tasks if t != task], len(objectives) - 1) for task in tasks]
        functions.pcgrad([[task[i] for i in reached] for task in gradients], merged, self.reduction, order)
        for i, gradient in zip(reached, merged):
            params[i].grad = gradient
