"""The rules of the library as torch.optim.Optimizer classes."""

import copy
import inspect
import itertools

import torch

from . import _buffers, _state, _state_dict, _storage
from ._native import Plan, StepCounts, engine_for
from ._options import Options, bound
from ._schema import ALIASES, RULES
from ._torch_binding import Binding
from ._hutchinson import hutchinson

_COUNTS = ("step", "input_step", "stepped")  # in state dictionaries

# What the steps of some rules need besides gradients can be estimated where the gradients have a graph.
_ESTIMATES = {"hessian": hutchinson}
_ESTIMATE_OPTIONS = (
    ("update_period", 1, "Steps between two estimates of the Hessian's diagonal, of gradients that have a graph."),
    ("num_samples", 1, "Probes of an estimate."),
    ("hessian_distribution", "rademacher", "Of the probes: 'rademacher' or 'gaussian'."),
)


class Optimizer(torch.optim.Optimizer):
    """An optimizer whose steps the native library makes; subclasses have a `rule`. Its states are torch tensors in `state`, updated
    in place; its hyper-parameters are read from `param_groups` at every step."""

    rule = None
    options = None
    _step_supports_amp_scaling = True  # torch.cuda.amp.GradScaler sets grad_scale and found_inf and leaves the rest to step

    def __init__(self, params, defaults, helpers=None, storage=None, **extra):
        self.helpers = dict(helpers or {})
        self.storage = _storage.chosen(storage or {})
        self.extra = extra
        self._binding = None
        self._counts = {}  # of the parameters, as of the last look at the device
        self._versions = {}  # of parameters with master weights, as of the last step
        self._probes = 0
        self._estimated = set()  # the parameters whose Hessian was estimated at some step
        self._check(self.options.completed(defaults))  # before the parameters are looked at
        super().__init__(params, defaults)
        self.state = _state.States()

    # ---- groups -------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group):
        """Adds a group, whose options default to those of the constructor. Refused values leave the optimizer as it was."""
        if not isinstance(param_group, dict):
            raise TypeError(f"a parameter group is a {type(param_group).__name__}; it must be a dict")
        super().add_param_group(self.options.translate(param_group))
        group = self.param_groups[-1]
        try:
            group.update(self.options.completed(group))
            before = sum(len(other["params"]) for other in self.param_groups[:-1])
            for i, param in enumerate(group["params"], before):
                if param.requires_grad or param.grad is not None:  # frozen ones may be of any kind
                    _buffers.describe(param, f"params[{i}]")
            self._check(group)
            self.options.look_at(group)
        except BaseException:
            self.param_groups.pop()
            raise

    def _check(self, group):
        """Has the library look at the options: it makes a plan without tensors."""
        Plan(engine_for(("cpu", 0)), self.rule.name, [self.options.row(group)], **self._plan_options())

    def _rows(self):
        return [self.options.row(group) for group in self.param_groups]

    def _plan_options(self):
        return {"helpers": self.options.switches(self.helpers), **_storage.members(self.storage)}

    def reset(self):
        """Forgets all states and step counts: the next step is a first one. Parameters and options stay."""
        self.state.clear()
        self._binding, self._counts, self._probes, self._estimated = None, {}, 0, set()

    def switch_on(self, **helpers):
        """Sets helper options of an optimizer that has made no step yet."""
        if any(counts.steps for counts in self._step_counts().values()):
            raise RuntimeError(f"helpers are set before the first step; this {self.rule.class_name} has made some")
        self.reset()
        before = self.helpers
        self.helpers = {**self.helpers, **helpers}
        try:
            for group in self.param_groups:
                self._check(group)
        except BaseException:
            self.helpers = before
            raise

    def __repr__(self):
        on = {name: value for name, value in self.helpers.items() if value}
        on |= {name: value for name, value in self.storage.items() if value is not None and value is not False}
        return super().__repr__() + (f"\nwith {', '.join(f'{n}={v!r}' for n, v in on.items())}" if on else "")

    # ---- steps --------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def step(self, closure=None, **inputs):
        """One step of all parameters that have a gradient.

        Args:
            closure: computes the loss and the gradients anew, and returns the loss.
            inputs: what the rule needs besides gradients (`rule.needs`), by name: a list with a tensor, or None, for each
                parameter in the order of the groups. Where it is left out and the gradients have a graph
                (`backward(create_graph=True)`), a Hessian diagonal is estimated by Hutchinson's method.

        Returns:
            The loss that the closure returned, or None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        scaler = inputs.pop("grad_scaler", None)  # torch 1.13's GradScaler hands itself over
        inputs = self._inputs(inputs)
        binding = self._bound()
        if self.storage["master_weights"]:
            self._take_changed_parameters()
        rows = self._rows()
        scalars = [getattr(self, name, None) for name in ("grad_scale", "found_inf", "overflow")]
        scalars = scalars if scaler is None else _scalars_of(scaler, self)
        if len(binding.buckets) > 1:
            scalars = self._skip_together(*scalars, inputs)
        for bucket in binding.buckets:
            bucket.step(rows, scalars, inputs)
        return loss

    def _skip_together(self, grad_scale, found_inf, overflow, inputs):
        """An overflow in the gradients or further inputs of one plan skips the step of all."""
        if overflow is None and not self.helpers.get("skip_nonfinite"):
            return grad_scale, found_inf, overflow
        device = self._binding.buckets[0].device
        read = [p.grad for bucket in self._binding.buckets for p in bucket.params] + [t for given in inputs.values() for t in given]
        flags = [~torch.isfinite(tensor).all() for tensor in read if tensor is not None]
        found = torch.stack([flag.to(device) for flag in flags]).any().float() if flags else torch.zeros((), device=device)
        if overflow is not None:
            overflow.copy_(torch.maximum(overflow, found.to(overflow.device)))
        return grad_scale, found if found_inf is None else torch.maximum(found, found_inf.to(device).reshape(())), overflow

    # ---- master weights -----------------------------------------------------------------------------------------------

    def _take_changed_parameters(self):
        """Master weights follow what was done to their parameters in place since the last step, as far as torch counts it."""
        for bucket in self._binding.buckets:
            for param in bucket.params:
                seen = self._versions.get(param)
                if seen is not None and seen != param._version:
                    _take_parameter(param, self.state[param].get(_storage.MASTER))
                self._versions[param] = param._version

    @torch.no_grad()
    def take_parameters(self):
        """Has the master weights follow what was done to the 16-bit parameters since the last step in ways that torch does not count,
        such as through `param.data`: where a parameter is no longer what its master weights round to, they become the parameter. In-place
        changes of the parameters themselves (`load_state_dict`, `clamp_`, averages) are noticed by every step."""
        for param, states in self.state.items():
            _take_parameter(param, states.get(_storage.MASTER))

    def _bound(self):
        if self._binding is None or self._binding.is_stale(self):
            counts = self._step_counts()
            if self._binding is not None:
                self._binding.move_counts(counts, self.state)
            self._binding = Binding(self, counts)
        return self._binding

    def _step_counts(self):
        """The counts of the parameters that have any. Waits for the device."""
        if self._binding is not None:
            self._counts = {**self._counts, **self._binding.counts()}
        return self._counts

    def bytes_per_step(self):
        """Bytes that a step must read and write with the gradients of now, of all devices together. States are made where no step
        has made them yet."""
        with torch.no_grad():
            return sum(bucket.plan.bytes_per_step() for bucket in self._bound().buckets)

    def _inputs(self, given):
        needs = self.rule.needs
        unknown = [name for name in given if name not in needs]
        if unknown:
            name = self.rule.class_name
            raise TypeError(f"{name}.step takes no {', '.join(unknown)}; it needs {', '.join(needs) or 'nothing'}")
        params = [p for group in self.param_groups for p in group["params"]] if needs else []
        found = {}
        for name in needs:
            tensors = given.get(name)
            if tensors is None and name in _ESTIMATES:
                tensors = self._estimate(_ESTIMATES[name], params)
            if tensors is None:
                continue
            if len(tensors) != len(params):
                raise ValueError(f"{name} has {len(tensors)} tensors; the optimizer has {len(params)} parameters")
            found[name] = list(tensors)
        return found

    def _estimate(self, estimate, params):
        if not any(p.grad is not None and p.grad.requires_grad for p in params):
            return None
        self._probes += 1
        waiting = {p for p in params if p.grad is not None} - self._estimated  # a first step needs an estimate
        if (self._probes - 1) % self.extra["update_period"] != 0 and not waiting:
            return None
        self._estimated |= waiting
        samples, distribution = self.extra["num_samples"], self.extra["hessian_distribution"]
        return estimate(params, samples, distribution, offset=self._probes * samples)

    # ---- states -------------------------------------------------------------------------------------------------------

    def state_dict(self):
        """The state as torch.optim's and pytorch_optimizer's classes keep it: with each parameter's states the number of its steps,
        in its group the largest of them, an option under all its spellings."""
        counts = self._step_counts()
        result = super().state_dict()
        for own, group in zip(self.param_groups, result["param_groups"]):
            group["step"] = max((counts.get(param, StepCounts()).steps for param in own["params"]), default=0)
            group.update((foreign, group[name]) for foreign, name in self.options.spellings.items())
            for index, param in zip(group["params"], own["params"]):
                made = counts.get(param, StepCounts())
                if index in result["state"] or made.steps:
                    result["state"][index] = {**result["state"].get(index, {}), **self._saved_counts(made)}
        if self._probes:
            result["probes"] = self._probes
        return result

    def _saved_counts(self, made):
        saved = {"step": torch.tensor(float(made.steps))}
        if self.rule.needs:
            saved["input_step"] = torch.tensor(float(made.input_steps))
        if made.stepped != (made.steps > 0):
            saved["stepped"] = made.stepped
        return saved

    def load_state_dict(self, state_dict):
        """Loads a state of this optimizer, or of one of torch.optim or pytorch_optimizer with the same states. Tensors are
        copied. Options that the state does not have stay as they are; states that the rule does not have are dropped with a
        warning. Where one is missing or of another shape, or the dictionary is malformed, a ValueError names it and the optimizer stays
        as it was. Only master weights may be missing: the next step takes them from the parameters."""
        groups, states = _state_dict.parts(state_dict, dict)
        sizes, given = [len(g["params"]) for g in self.param_groups], [_indices(i, group) for i, group in enumerate(groups)]
        if sizes != list(map(len, given)):
            raise ValueError(f"the state has groups of {list(map(len, given))} parameters; the optimizer has {sizes}")
        indices = list(itertools.chain.from_iterable(given))
        params = list(itertools.chain.from_iterable(group["params"] for group in self.param_groups))
        kept = ("state", "param_groups", "_binding", "_counts", "_probes", "_estimated")
        before = {name: getattr(self, name) for name in kept}
        try:
            described = ({**own, **loaded} for own, loaded in zip(self.param_groups, groups))
            counts = itertools.chain.from_iterable(_loaded_counts(group, states) for group in described)
            self._counts = dict(zip(params, counts))
            self._estimated = {param for param, made in self._counts.items() if made.input_steps}
            self.state = _state.States()
            for param, index in zip(params, indices):
                found = _copied(states.get(index) or {})
                if found:
                    self.state[param] = found
            without_master = [param for param in params if _storage.MASTER not in self.state.get(param, {})]
            self.param_groups = [self._loaded_group(*pair) for pair in zip(self.param_groups, groups)]
            self._binding, self._probes = None, _state_dict.count(state_dict.get("probes", 0), "probes")
            with torch.no_grad():
                self._binding = Binding(self, self._counts, loads=True)
        except BaseException as error:
            self.__dict__.update(before)
            if isinstance(error, (ArithmeticError, AttributeError, LookupError, TypeError)):  # of a value of the state
                raise ValueError(f"the state cannot be loaded: {error}") from error
            raise
        for param in without_master:
            if self.state.get(param, {}).pop(_storage.MASTER, None) is not None:  # the binding made them
                self._binding = None  # the parameters may be loaded only after this

    def _loaded_group(self, group, loaded):
        values = {name: value for name, value in loaded.items() if name not in ("params", *_COUNTS)}
        return {**group, **self.options.translate(values), "params": group["params"]}

    def __getstate__(self):
        self._counts = self._step_counts()
        kept = ("helpers", "storage", "extra", "_counts", "_probes", "_estimated")
        return {**super().__getstate__(), **{name: getattr(self, name) for name in kept}}

    def __setstate__(self, state):
        self._binding, self._versions = None, {}
        super().__setstate__(state)
        self.state = _state.States(self.state)


def _take_parameter(param, master):
    if master is None:
        return
    changed = master.to(param.dtype) != param
    master.copy_(torch.where(changed, param.float(), master))


def _scalars_of(scaler, optimizer):
    """What a step needs of torch 1.13's GradScaler, which wants to be told of overflows: grad_scale, found_inf, overflow."""
    state = scaler._per_optimizer_states[id(optimizer)]
    if getattr(state["stage"], "name", None) == "UNSCALED":
        found = [flag.reshape(()) for flag in state["found_inf_per_device"].values()]
        return None, torch.stack([flag.to(found[0].device) for flag in found]).max() if found else None, None
    scale = scaler._get_scale_async()
    overflow = torch.zeros((), dtype=torch.float32, device=scale.device)
    state["found_inf_per_device"] = {overflow.device: overflow}
    return scale.reshape(()), None, overflow


def _indices(number, group):
    """By what a loaded group knows its parameters among the states."""
    indices = group.get("params")
    if not isinstance(indices, (list, tuple)) or not all(isinstance(i, int) for i in indices):
        raise ValueError(f"params of group {number} of the state is {indices!r}; it must be a list of indices")
    return indices


def _copied(states):
    """A copy of the states of one parameter, without its counts."""
    values = {n: v.detach() if isinstance(v, torch.Tensor) else v for n, v in states.items() if n not in _COUNTS and v is not None}
    return copy.deepcopy(values)


def _loaded_counts(group, states):
    """The counts of each parameter of a loaded group. torch.optim counts them with the states of each, pytorch_optimizer in its groups
    (dual averaging for all groups together, beside the states), and torch's SGD not at all: what has a state has made a step."""
    by_group = bool(group.get("steps_by_group", False))
    shared = _state_dict.steps(group.get("step", states.get("k", 1)), "step of a group")
    for index in group["params"]:
        own = states.get(index) or {}
        steps = _state_dict.steps(own.get("step", shared if own or by_group else 0), f"step of state {index}")
        input_steps = _state_dict.steps(own.get("input_step", steps), f"input_step of state {index}")
        yield StepCounts(steps, input_steps, bool(own.get("stepped", bool(own) and steps > 0)))


def _make_class(rule):
    options = Options(rule)
    extra = ([*_ESTIMATE_OPTIONS] if set(rule.needs) & set(_ESTIMATES) else [])
    further = [*extra, *_storage.OPTIONS]
    signature = options.signature([(name, default) for name, default, _ in further])

    def __init__(self, *args, **kwargs):
        arguments = bound(signature, rule.class_name, args, kwargs, options)
        values, helpers = options.split(arguments)
        rest = {name: arguments.get(name, default) for name, default, _ in extra}
        Optimizer.__init__(self, arguments["params"], values, helpers, _storage.chosen(arguments), **rest)

    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = signature.replace(parameters=[this, *signature.parameters.values()])
    members = {
        "__init__": __init__,
        "__doc__": options.doc([(name, text) for name, _, text in further]),
        "__module__": "optim",
        "rule": rule,
        "options": options,
    }
    return type(rule.class_name, (Optimizer,), members)


CLASSES = {rule.class_name: _make_class(rule) for rule in RULES}
_ALIAS_CLASSES = {rule.class_name: _make_class(rule) for rule in ALIASES}


def class_named(name):
    """The class of a rule or of an alias."""
    return CLASSES.get(name) or _ALIAS_CLASSES[name]
