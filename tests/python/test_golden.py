"""The golden trajectories, replayed by the torch classes in float64 and by the array classes in float32."""

import numpy
import pytest
import torch
from golden import cases, norm, tolerances

import optim
from optim import arrays

HELPERS = {  # how the cases name the helpers around sgd
    "agc": {"agc_clip_val": "agc_clip_val", "agc_eps": "agc_eps", "eps": "agc_division_eps"},
    "gc": {"gc_conv_only": "centralize_conv_only"},
    "gradnorm": {"use_channels": "normalize_channels", "epsilon": "normalize_eps"},
    "normloss": {"norm_loss_factor": "norm_loss_factor", "eps": "norm_loss_eps"},
    "lookahead": {"k": "lookahead_k", "alpha": "lookahead_alpha", "pullback_momentum": "lookahead_pullback"},
}
SWITCHES = {"gc": "centralize", "gradnorm": "normalize"}
TOLERANCES = tolerances()


def rule_and_helper(case):
    if case.item == "lookahead":
        return case.hypers["base"], "lookahead"
    rule, _, helper = case.item.partition("+")
    return rule, helper


def trajectories():
    names = {rule.name for rule in optim.RULES}
    return [case for case in cases() if case.steps > 0 and rule_and_helper(case)[0] in names]


TRAJECTORIES = trajectories()


def options_of(case, options):
    """The constructor's arguments for a case. Those of the lookahead cases list the hyper-parameters of every base."""
    _, helper = rule_and_helper(case)
    names = HELPERS.get(helper, {})
    given = {names[name]: value for name, value in case.hypers.items() if name in names}
    if helper in SWITCHES:
        given[SWITCHES[helper]] = True
    rest = {name: value for name, value in case.hypers.items() if name not in names and name != "base"}
    if helper == "lookahead":
        rest = {name: value for name, value in rest.items() if name in options.hypers}
    if options.betas:
        defaults = dict(zip(options.betas, options.defaults["betas"]))
        given["betas"] = tuple(rest.pop(beta, default) for beta, default in defaults.items())
    return {**given, **rest}


def tensors(case, prefix, suffix):
    found = []
    while f"param.{len(found)}.init" in case.tensors:
        found.append(case.tensors.get(f"{prefix}.{len(found)}.{suffix}"))
    return found


def expected(case):
    return {n for n in case.tensors if n.startswith(("param.", "state.")) and not n.endswith(".init")}


def compare(case, computed, allowed):
    assert expected(case) <= set(computed)
    for name in expected(case):
        value = computed[name]
        right = case.tensors[name]
        error = norm(numpy.asarray(value, numpy.float64).reshape(right.shape) - right)
        assert error <= allowed(name, right, case.tensors.get(f"param.{name.split('.')[1]}.init")), name


def states(case, rule, made):
    """The states that a case expects. Where an option leaves one out, the reference kept it as it was in the beginning."""
    found = {}
    for i, state in enumerate(made):
        zeros = {slot.name: 0 for slot in rule.slots if slot.initial == "zero"}
        same = {slot.name: case.tensors[f"param.{i}.init"] for slot in rule.slots if slot.initial == "param"}
        for name, value in {**zeros, **same, **state}.items():
            key = f"state.{i}.{name}.{case.steps}"
            if key in case.tensors:
                found[key] = value if name in state else numpy.broadcast_to(value, case.tensors[key].shape)
    return found


def test_every_rule_has_a_case():
    assert {rule_and_helper(case)[0] for case in TRAJECTORIES} == {rule.name for rule in optim.RULES}


@pytest.mark.parametrize("case", TRAJECTORIES, ids=lambda case: case.name)
def test_torch_in_float64(case):
    chosen = optim.load_optimizer(rule_and_helper(case)[0])
    params = [torch.nn.Parameter(torch.tensor(init, dtype=torch.float64)) for init in tensors(case, "param", "init")]
    optimizer = chosen(params, **options_of(case, chosen.options))
    computed = {}
    for step in range(1, case.steps + 1):
        for param, grad in zip(params, tensors(case, "grad", step)):
            param.grad = torch.tensor(grad, dtype=torch.float64) if grad is not None else None
        inputs = {}
        for name in chosen.rule.needs:
            given = tensors(case, "aux", f"{name}.{step}")
            if any(value is not None for value in given):
                inputs[name] = [torch.tensor(v, dtype=torch.float64) if v is not None else None for v in given]
        optimizer.step(**inputs)
        if step in case.recorded:
            computed.update({f"param.{i}.{step}": p.detach().numpy().copy() for i, p in enumerate(params)})
    made = [{name: value.numpy() for name, value in optimizer.state[param].items()} for param in params]
    computed.update(states(case, chosen.rule, made))
    compare(case, computed, lambda name, right, _: 1e-9 * norm(right))


@pytest.mark.parametrize("case", TRAJECTORIES, ids=lambda case: case.name)
def test_arrays_in_float32(case):
    chosen = arrays.CLASSES[optim.find_rule(rule_and_helper(case)[0]).class_name]
    params = [numpy.array(init, numpy.float32) for init in tensors(case, "param", "init")]
    optimizer = chosen(params, **options_of(case, chosen.options))
    computed = {}
    for step in range(1, case.steps + 1):
        inputs = {name: tensors(case, "aux", f"{name}.{step}") for name in chosen.rule.needs}
        optimizer.step(tensors(case, "grad", step), **inputs)
        if step in case.recorded:
            computed.update({f"param.{i}.{step}": param.copy() for i, param in enumerate(params)})
    computed.update(states(case, chosen.rule, optimizer.state))
    compare(case, computed, TOLERANCES[case.name])
