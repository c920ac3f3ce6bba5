"""The helper functions, against the golden cases and torch."""

import numpy
import pytest
import torch
from golden import cases, norm, tolerances

from optim import functions

# Cases of a function: what it takes of a case, with grad and param copies, and the tensor it changes.
FUNCTIONS = {
    "agc": lambda h, param, grad: functions.agc(param, grad, h["agc_clip_val"], h["agc_eps"], h["eps"]),
    "softplus": lambda h, x: functions.softplus(x, h["beta_softplus"]),
}
TOLERANCES = tolerances()
DIRECT = [case for case in cases() if case.item in FUNCTIONS]


def test_there_are_cases():
    assert {case.item for case in DIRECT} == set(FUNCTIONS)


@pytest.mark.parametrize("case", DIRECT, ids=lambda case: case.name)
@pytest.mark.parametrize("kind", [numpy.float32, numpy.float64])
def test_golden(case, kind):
    given = {n[3:]: numpy.array(v, kind) for n, v in case.tensors.items() if n.startswith("in.")}
    (expected,) = (name for name in case.tensors if name.startswith("out."))
    if case.item == "agc":
        FUNCTIONS["agc"](case.hypers, given["param"], given["grad"])
        made = given["grad"]
    else:
        (made,) = given.values()
        FUNCTIONS[case.item](case.hypers, made)
    right = case.tensors[expected]
    allowed = 1e-9 * norm(right) if kind is numpy.float64 else TOLERANCES[case.name](expected, right, None)
    assert norm(made - right) <= allowed


@pytest.mark.parametrize("case", [c for c in cases() if c.item == "unit_norm"], ids=lambda case: case.name)
def test_unit_norm(case):
    (given,) = (value for name, value in case.tensors.items() if name.startswith("in."))
    (right,) = (value for name, value in case.tensors.items() if name.startswith("out."))
    if given.ndim >= 2 and right.size != given.shape[0]:
        pytest.fail("the case has another scope than rows")
    assert functions.unit_norm(numpy.array(given, numpy.float64)) == pytest.approx(right.ravel().tolist(), rel=1e-9)


def lists(dtype=torch.float32):
    return [torch.randn(4, 3, dtype=dtype), torch.randn(5, dtype=dtype), torch.randn(2, 3, 2, 2, dtype=dtype)]


@pytest.mark.parametrize("norm_type", [1.0, 2.0, float("inf")])
def test_clip_grad_norm_as_torch(norm_type):
    ours = lists()
    params = [torch.nn.Parameter(torch.zeros_like(t)) for t in ours]
    for param, grad in zip(params, ours):
        param.grad = grad.clone()
    wanted = torch.nn.utils.clip_grad_norm_(params, 0.5, norm_type)
    assert functions.clip_grad_norm(ours, 0.5, norm_type) == pytest.approx(float(wanted), rel=1e-5)
    for param, grad in zip(params, ours):
        assert torch.allclose(param.grad, grad, rtol=1e-5)


def test_clip_grad_value_as_torch():
    ours = lists()
    wanted = [t.clamp(-0.3, 0.3) for t in ours]
    functions.clip_grad_value(ours, 0.3)
    assert all(torch.equal(a, b) for a, b in zip(ours, wanted))


def test_centralize_and_normalize_in_plain_torch():
    ours = lists(torch.float64)
    wanted = [ours[0] - ours[0].mean(1, keepdim=True), ours[1].clone(), ours[2] - ours[2].mean((1, 2, 3), keepdim=True)]
    conv = [t.clone() for t in ours]
    functions.centralize(conv, conv_only=True)
    assert torch.equal(conv[0], ours[0]) and torch.allclose(conv[2], wanted[2])
    functions.centralize(ours)
    assert all(torch.allclose(a, b) for a, b in zip(ours, wanted))
    wanted = [t / (t.std() + 1e-8) for t in ours]
    functions.normalize(ours)
    assert all(torch.allclose(a, b) for a, b in zip(ours, wanted))


def test_lookahead_norm_loss_and_stable_weight_decay_in_plain_torch():
    fast, slow = torch.randn(3, 2), torch.randn(3, 2)
    wanted = slow + 0.25 * (fast - slow)
    functions.lookahead(fast, slow, 0.25)
    assert torch.allclose(fast, wanted) and torch.equal(fast, slow)
    param = torch.randn(4, 3, dtype=torch.float64)
    rows = param.norm(dim=1, keepdim=True)
    wanted = param * (1 - 0.1 * 2 * 0.5 * (1 - 1 / (rows + 1e-8)))
    functions.norm_loss(param, lr=0.1, factor=0.5)
    assert torch.allclose(param, wanted)
    param, moment = torch.ones(4), torch.full((4,), 0.5)
    rms = functions.stable_weight_decay([param], [moment], lr=0.1, weight_decay=0.2, beta2=0.9, step=1)
    assert rms == pytest.approx((0.5 / 0.1) ** 0.5, rel=1e-5)
    assert torch.allclose(param, torch.full((4,), 1 - 0.1 * 0.2 / rms))


def test_rademacher_is_repeatable_and_balanced():
    first, second = torch.zeros(10000), numpy.zeros(10000, numpy.float16)
    functions.rademacher([first], seed=3, offset=1)
    functions.rademacher([second], seed=3, offset=1)
    assert set(first.unique().tolist()) == {-1.0, 1.0}
    assert (first.numpy() == second).all()
    assert abs(float(first.mean())) < 0.05
    functions.rademacher([second], seed=3, offset=2)
    assert (first.numpy() != second).any()


def test_inverse_root():
    generator = torch.randn(6, 6, dtype=torch.float64)
    matrix = generator @ generator.t() + torch.eye(6, dtype=torch.float64)
    root = torch.empty_like(matrix)
    functions.inverse_root([matrix], [root], p=4)
    assert torch.allclose(torch.linalg.matrix_power(root, 4) @ matrix, torch.eye(6, dtype=torch.float64), atol=1e-9)


def test_coupled_newton():
    matrix = torch.diag(torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64))
    root = torch.empty_like(matrix)
    functions.coupled_newton(matrix, root, p=2, tolerance=1e-12)
    assert torch.allclose(root, torch.diag(1 / torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)))


def test_unscale():
    grads, found = lists(), torch.zeros(1)
    wanted = [t / 8 for t in grads]
    functions.unscale(grads, torch.tensor(8.0), found)
    assert all(torch.equal(a, b) for a, b in zip(grads, wanted)) and found == 0
    grads[1][2] = float("inf")
    functions.unscale(grads, torch.tensor(8.0), found)
    assert found == 1


def test_sam_there_and_back():
    param, grad, old = torch.randn(5), torch.randn(5), torch.zeros(5)
    before = param.clone()
    functions.sam_perturb([param], [grad], [old], rho=2.0)
    assert torch.equal(old, before)
    assert torch.allclose(param, before + 2.0 * grad / grad.norm(), rtol=1e-5)
    functions.sam_restore(param, old)
    assert torch.equal(param, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: functions.agc([torch.ones(2)], []), "params has 1 tensors, grads 0"),
        (lambda: functions.softplus("text"), "tensors\\[0\\] is a str; a torch tensor"),
        (lambda: functions.softplus(numpy.ones(2, int)), "tensors\\[0\\] is int64; allowed are float32"),
        (lambda: functions.clip_grad_norm(torch.ones(2), -1), "max_norm is -1"),
        (lambda: functions.unscale(torch.ones(2), torch.ones(2), torch.ones(1)), "grad_scale is float32 \\(2,\\); it must be one"),
        (lambda: functions.pcgrad([[torch.ones(2)]], [torch.ones(2)], "max"), "reduction is 'max'"),
        (lambda: functions.pcgrad([[torch.ones(2)]], []), "task_grads has lists of \\[1\\] gradients; merged has 0"),
        (lambda: functions.pcgrad([[torch.ones(2)]] * 2, [torch.ones(2)], order=[[1], [1]]), "all others"),
    ],
)
def test_misuse(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_sam_saves_a_parameter_without_a_gradient():
    params, old = [torch.ones(3), torch.full((3,), 2.0)], [torch.full((3,), -7.0), torch.full((3,), -7.0)]
    functions.sam_perturb(iter(params), [None, torch.ones(3)], iter(old), rho=1.0)
    assert torch.equal(params[0], torch.ones(3)) and not torch.equal(params[1], torch.full((3,), 2.0))
    functions.sam_restore(params, old)
    assert torch.equal(params[0], torch.ones(3)) and torch.equal(params[1], torch.full((3,), 2.0))
    with pytest.raises(ValueError, match="old_params"):
        functions.sam_perturb(params, [None, torch.ones(3)], [old[0], None])
