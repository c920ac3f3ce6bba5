"""The rules of the library as torch.optim.Optimizer classes."""

import copy
import inspect
import itertools

import torch

from . import _buffers, _state, _state_dict, _storage
from ._native import Plan, engine_for
from ._options import Options, bound
from ._schema import ALIASES, RULES
from ._torch_binding import Binding
from ._hutchinson import hutchinson

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
        self._steps = []  # of each group, as of the last look at the device
        self._stepped = set()  # the parameters that a step has changed, likewise
        self._waiting = set()  # those that have states, but no step yet
        self._probes = 0
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
                _buffers.describe(param, f"params[{i}]")
            self._check(group)
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
        self._binding, self._steps, self._stepped, self._waiting, self._probes = None, [], set(), set(), 0

    def switch_on(self, **helpers):
        """Sets helper options of an optimizer that has made no step yet."""
        if any(step for step, _ in self._step_counts()):
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
        inputs = self._inputs(inputs)
        binding = self._bound()
        rows = self._rows()
        scalars = [getattr(self, name, None) for name in ("grad_scale", "found_inf", "overflow")]
        for bucket in binding.buckets:
            bucket.step(rows, scalars, inputs)
        return loss

    def _bound(self):
        if self._binding is None or self._binding.is_stale(self):
            steps = self._step_counts()
            forgotten = self._binding.forgotten(self.state) if self._binding is not None else set()
            self._stepped -= forgotten
            for index, group in enumerate(self.param_groups):  # one all of whose states were taken away begins anew
                if not forgotten.isdisjoint(group["params"]) and not any(map(self.state.get, group["params"])):
                    steps[index] = (0, 0)
            self._binding = Binding(self, steps)
        return self._binding

    def _step_counts(self):
        """Of each group the number of steps, and of those with further inputs. Waits for the device."""
        if self._binding is not None:
            self._steps, self._stepped = self._binding.steps(), self._binding.stepped()
            self._waiting = self._binding.params() - self._stepped
        groups = len(self.param_groups)
        return (self._steps + [(0, 0)] * groups)[:groups]

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
        if (self._probes - 1) % self.extra["update_period"] != 0:
            return None
        samples, distribution = self.extra["num_samples"], self.extra["hessian_distribution"]
        return estimate(params, samples, distribution, offset=self._probes * samples)

    # ---- states -------------------------------------------------------------------------------------------------------

    def state_dict(self):
        """The state as torch.optim's and pytorch_optimizer's classes keep it: the step count stands both in the groups and with
        each parameter's states, an option under all its spellings. A group some of whose parameters still wait for their first
        gradient says so in `stepped`."""
        steps = self._step_counts()
        result = super().state_dict()
        for own, group, (step, input_step) in zip(self.param_groups, result["param_groups"], steps):
            group["step"] = step
            if self.rule.needs:
                group["input_step"] = input_step
            group.update((foreign, group[name]) for foreign, name in self.options.spellings.items())
            for index in group["params"]:
                if index in result["state"]:
                    result["state"][index] = {**result["state"][index], "step": torch.tensor(float(step))}
            stepped = [param in self._stepped for param in own["params"]]
            if stepped != _with_state(group, result["state"]):
                group["stepped"] = stepped
        if self._probes:
            result["probes"] = self._probes
        return result

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
        kept = ("state", "param_groups", "_binding", "_steps", "_stepped", "_waiting", "_probes")
        before = {name: getattr(self, name) for name in kept}
        try:
            self._steps = [_steps_of(i, group, states) for i, group in enumerate(groups)]
            flags = [_state_dict.flags(g.get("stepped", _with_state(g, states)), len(g["params"]), "stepped") for g in groups]
            self._stepped = {param for param, value in zip(params, itertools.chain.from_iterable(flags)) if value}
            self._waiting = set(params) - self._stepped
            self.state = _state.States()
            for param, index in zip(params, indices):
                found = _copied(states.get(index) or {})
                if found:
                    self.state[param] = found
            without_master = [param for param in params if _storage.MASTER not in self.state.get(param, {})]
            self.param_groups = [self._loaded_group(*pair) for pair in zip(self.param_groups, groups)]
            self._binding, self._probes = None, _state_dict.count(state_dict.get("probes", 0), "probes")
            with torch.no_grad():
                self._binding = Binding(self, self._steps)
        except BaseException as error:
            self.__dict__.update(before)
            if isinstance(error, (ArithmeticError, AttributeError, LookupError, TypeError)):  # of a value of the state
                raise ValueError(f"the state cannot be loaded: {error}") from error
            raise
        for param in without_master:
            if self.state.get(param, {}).pop(_storage.MASTER, None) is not None:  # the binding made them
                self._binding = None  # the parameters may be loaded only after this

    def _loaded_group(self, group, loaded):
        values = {name: value for name, value in loaded.items() if name not in ("params", "step", "input_step", "stepped")}
        return {**group, **self.options.translate(values), "params": group["params"]}

    def __getstate__(self):
        self._steps = self._step_counts()
        kept = ("helpers", "storage", "extra", "_steps", "_stepped", "_waiting", "_probes")
        return {**super().__getstate__(), **{name: getattr(self, name) for name in kept}}

    def __setstate__(self, state):
        self._binding = None
        super().__setstate__(state)
        self.state = _state.States(self.state)


def _indices(number, group):
    """By what a loaded group knows its parameters among the states."""
    indices = group.get("params")
    if not isinstance(indices, (list, tuple)) or not all(isinstance(i, int) for i in indices):
        raise ValueError(f"params of group {number} of the state is {indices!r}; it must be a list of indices")
    return indices


def _copied(states):
    """A copy of the states of one parameter, without its step count."""
    values = {n: v.detach() if isinstance(v, torch.Tensor) else v for n, v in states.items() if n != "step" and v is not None}
    return copy.deepcopy(values)


def _with_state(group, states):
    """Of each parameter of a group whether there is a state."""
    return [bool(states.get(index)) for index in group["params"]]


def _steps_of(index, group, states):
    """The step count of a loaded group, and that of steps with further inputs."""
    if "step" in group:
        found = int(group["step"]), int(group.get("input_step", group["step"]))
        if min(found) < 0:
            raise ValueError(f"the steps of group {index} are {found}; allowed is 0 or more")
        return found
    counts = {int(states[i]["step"]) for i in group["params"] if "step" in states.get(i, ())}
    if len(counts) > 1:
        raise ValueError(
            f"the parameters of group {index} have made {', '.join(map(str, sorted(counts)))} steps; a group has one count: "
            "put parameters with different counts into different groups"
        )
    if not counts and "k" in states:  # of pytorch_optimizer's dual averaging, for all groups together
        counts = {int(states["k"])}
    # torch's SGD does not count; what has a state has made a step
    step = counts.pop() if counts else int(any(states.get(i) for i in group["params"]))
    return step, step


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
