"""The loss scaler as loops written for torch's GradScaler call it, around any optimizer."""

import collections
import copy
import pickle

import numpy
import pytest
import torch

import optim

INFINITE = float("inf")


def scaled(optimizer_class, scale=1024.0, **options):
    param = torch.nn.Parameter(torch.ones(2))
    optimizer, scaler = optimizer_class([param], lr=0.1, **options), optim.LossScaler(init_scale=scale)
    scaler.scale(param.sum()).backward()
    return param, optimizer, scaler


@pytest.mark.parametrize("make", [optim.SGD, torch.optim.SGD, lambda p, **o: optim.PCGrad(torch.optim.SGD(p, **o))])
def test_any_optimizer_steps_with_unscaled_gradients(make):
    param, optimizer, scaler = scaled(make)
    scaler.step(optimizer)
    assert torch.allclose(param, torch.tensor(0.9))
    scaler.update()
    param.grad = torch.tensor([1.0, INFINITE])
    scaler.step(optimizer)
    assert torch.allclose(param, torch.tensor(0.9))
    scaler.update()
    assert scaler.get_scale() == 512


def test_sam_around_an_optimizer_of_torch_is_refused():
    param = torch.nn.Parameter(torch.ones(2))
    ours, theirs = (optim.SAM([param], base, lr=0.1) for base in (optim.SGD, torch.optim.SGD))
    scaler = optim.LossScaler(init_scale=4.0)
    with pytest.raises(TypeError, match="SAM around SGD"):
        scaler.step(theirs, lambda: None)
    scaler.scale(param.sum()).backward()

    def closure():
        loss = param.sum()
        scaler.scale(loss).backward()
        return loss

    scaler.step(ours, closure)
    assert torch.allclose(param, torch.tensor(0.9))


def test_unscale_then_clip_then_step():
    param, optimizer, scaler = scaled(optim.SGD)
    scaler.unscale_(optimizer)
    assert torch.equal(param.grad, torch.ones(2))
    with pytest.raises(RuntimeError, match="unscaled since the last update"):
        scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_([param], 0.5)
    scaler.step(optimizer)
    assert torch.allclose(param, torch.tensor(1 - 0.1 * 0.5 / 2**0.5), atol=1e-5)
    with pytest.raises(RuntimeError, match="step was already called"):
        scaler.step(optimizer)
    scaler.update()
    param.grad = torch.tensor([INFINITE, 1.0])
    scaler.unscale_(optimizer)
    before = param.detach().clone()
    scaler.step(optimizer)
    assert torch.equal(param, before)


def test_losses():
    scaler = optim.LossScaler()
    assert scaler.scale(torch.ones((), dtype=torch.float16)).item() == 65536  # which float16 cannot hold
    assert scaler.scale(torch.ones(2, dtype=torch.float64)).dtype == torch.float64
    first, (second,) = scaler.scale([torch.ones(1), (torch.ones(1),)])
    assert first.item() == second.item() == 65536
    with pytest.raises(TypeError, match="outputs is a int"):
        scaler.scale(3)


def test_a_scaler_that_is_not_enabled():
    scaler = optim.LossScaler(enabled=False)
    param = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([param], lr=0.1)
    scaler.scale(param.sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert torch.allclose(param, torch.tensor(0.8))
    assert scaler.get_scale() == 1 and scaler.state_dict() == {} and not scaler.is_enabled()
    scaler.load_state_dict({})


@pytest.mark.parametrize("rule", ["amp", "fairseq"])
def test_states_and_copies(rule):
    scaler = optim.LossScaler(rule, init_scale=256.0)
    param, optimizer = torch.nn.Parameter(torch.ones(2)), None
    optimizer = optim.SGD([param], lr=0.1)
    for gradient in (1.0, INFINITE, 1.0):
        param.grad = torch.full((2,), gradient)
        scaler.step(optimizer)
        scaler.update()
    other = optim.LossScaler(rule)
    other.load_state_dict(scaler.state_dict())
    for same in (other, copy.deepcopy(scaler), pickle.loads(pickle.dumps(scaler))):
        assert same.state_dict() == scaler.state_dict()
        assert same.get_scale() == scaler.get_scale() == 128
    before = scaler.state_dict()
    for broken in ({}, {**before, "scale": "much"}):
        with pytest.raises(ValueError, match="scale"):
            scaler.load_state_dict(broken)
    assert scaler.state_dict() == before


def test_a_state_of_torchs_scaler():
    scaler = optim.LossScaler()
    state = {"scale": 1024.0, "growth_factor": 4.0, "backoff_factor": 0.25, "growth_interval": 2, "_growth_tracker": 1}
    scaler.load_state_dict(state)
    assert scaler.state_dict() == state
    scaler.update()
    assert scaler.get_scale() == 4096
    with pytest.raises(optim.OptimError, match="growth_factor"):
        scaler.load_state_dict({**state, "growth_factor": 0.5})


def test_gradscaler_of_torch_1_13_hands_itself_over():
    from torch.cuda.amp.grad_scaler import GradScaler, OptState, _refresh_per_optimizer_state

    theirs = GradScaler(init_scale=1024.0, enabled=False)  # as on a machine with CUDA, but for tensors of the CPU
    theirs._enabled, theirs._per_optimizer_states = True, collections.defaultdict(_refresh_per_optimizer_state)
    theirs._scale, theirs._growth_tracker = torch.tensor([1024.0]), torch.zeros(1, dtype=torch.int32)
    for wrap in (lambda o: o, optim.PCGrad):
        param = torch.nn.Parameter(torch.ones(2))
        optimizer = wrap(optim.SGD([param], lr=0.1))
        param.grad = torch.full((2,), 1024.0)
        theirs.step(optimizer)
        assert torch.allclose(param, torch.tensor(0.9))
        param.grad[0] = INFINITE
        theirs._per_optimizer_states.clear()
        theirs.step(optimizer)
        assert torch.allclose(param, torch.tensor(0.9))
        (found,) = theirs._per_optimizer_states[id(optimizer)]["found_inf_per_device"].values()
        assert found.item() == 1
        state = theirs._per_optimizer_states[id(optimizer)]
        state["stage"], state["found_inf_per_device"] = OptState.UNSCALED, {torch.device("cpu"): torch.zeros(1)}
        param.grad = torch.ones(2)
        theirs.step(optimizer)
        assert torch.allclose(param, torch.tensor(0.8))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("options", [{}, {"skip_nonfinite": True}])
def test_an_overflow_skips_the_parameters_of_all_dtypes(place, options):
    params = [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2, dtype=torch.float64))]
    optimizer = optim.SGD(params, lr=0.1, **options)
    scaler = optim.LossScaler(init_scale=1.0)
    for overflows in (True, False):
        for param in params:
            param.grad = torch.ones_like(param) * (1.0 if options else scaler.get_scale())
        if overflows:
            params[place].grad[0] = INFINITE
        optimizer.step() if options else scaler.step(optimizer)
        scaler.update()
        assert all(torch.allclose(param.float(), torch.tensor(1.0 if overflows else 0.9)) for param in params)


def test_copies_of_optimizers_of_arrays():
    made = optim.arrays.AdamW([numpy.ones(3, numpy.float32)], lr=0.1, clip_norm=1.0)
    made.step([numpy.ones(3, numpy.float32)])
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        for optimizer in (copied,):
            optimizer.step([numpy.ones(3, numpy.float32)])
        assert copied.param_groups[0]["params"][0] is not made.param_groups[0]["params"][0]
        expected = numpy.array(made.param_groups[0]["params"][0])
        assert not numpy.array_equal(copied.param_groups[0]["params"][0], expected)
    made.step([numpy.ones(3, numpy.float32)])
    assert numpy.array_equal(copied.param_groups[0]["params"][0], made.param_groups[0]["params"][0])


@pytest.mark.parametrize("helpers", [{"skip_nonfinite": True}, {}])
def test_a_hessian_that_is_not_finite_skips_parameters_of_every_dtype(helpers):
    params = [torch.ones(3, requires_grad=True), torch.ones(3, dtype=torch.float64, requires_grad=True)]
    optimizer = optim.AdaHessian(params, lr=0.1, **helpers)
    scaler = optim.LossScaler(init_scale=2.0, enabled=not helpers)
    for param in params:
        param.grad = torch.ones_like(param)
    scaler.step(optimizer, hessian=[torch.full((3,), float("nan")), torch.ones(3, dtype=torch.float64)])
    scaler.update()
    assert all(bool((param == 1).all()) for param in params)
    assert helpers or scaler.get_scale() == 1


@pytest.mark.parametrize("kind", [torch.optim.SGD, optim.SGD])
def test_a_closure_gives_no_scaled_gradients_to_an_unscaled_step(kind):
    param = torch.ones(2, requires_grad=True)
    optimizer, scaler = kind([param], lr=0.1), optim.LossScaler(init_scale=1024.0)

    def closure():
        optimizer.zero_grad()
        scaler.scale(param.sum()).backward()

    closure()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="closure"):
        scaler.step(optimizer, closure)
    scaler.step(optimizer)
    assert torch.allclose(param, torch.tensor(0.9))


@pytest.mark.parametrize("kind", [torch.optim.SGD, optim.SGD])
@pytest.mark.parametrize("unscaled", [True, False])
def test_an_overflow_skips_its_own_optimizer_alone(kind, unscaled):
    params = [torch.ones(2, requires_grad=True) for _ in range(3)]
    optimizers, scaler = [kind([param], lr=0.1) for param in params], optim.LossScaler(init_scale=4.0)
    for param, gradient in zip(params, (4.0, INFINITE, 4.0)):
        param.grad = torch.full((2,), gradient)
    for optimizer in optimizers if unscaled else ():
        scaler.unscale_(optimizer)
    for optimizer in optimizers:
        scaler.step(optimizer)
    scaler.update()
    assert [round(param[0].item(), 5) for param in params] == [0.9, 1.0, 0.9]
    assert scaler.get_scale() == 2
