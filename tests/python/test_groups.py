"""What programs do to parameter groups and parameters while they train."""

import pytest
import torch

import optim


@pytest.mark.parametrize("case", ["cyclic", "warm-up"])
@pytest.mark.parametrize("dampening", [0.0, 0.5])
def test_momentum_to_and_from_0_as_in_torch(case, dampening):
    results = []
    for library in (torch.optim, optim):
        param = torch.nn.Parameter(torch.ones(3))
        optimizer = library.SGD([param], lr=0.1, momentum=0.9 if case == "cyclic" else 0.0, dampening=dampening)
        for step in range(15):
            momentum = abs(0.9 - 0.3 * (step % 6)) if case == "cyclic" else min(0.9, 0.1 * step)
            optimizer.param_groups[0]["momentum"] = 0.0 if momentum < 1e-9 else momentum
            param.grad = torch.sin(param.detach() + step)
            optimizer.step()
        results.append(param.detach())
    assert torch.allclose(*results, atol=1e-5)


def test_a_state_that_an_option_brings_begins_zeroed():
    param = torch.nn.Parameter(torch.zeros(2))
    optimizer = optim.Adam([param], lr=0.1)
    for amsgrad in (False, True, True):
        optimizer.param_groups[0]["ams_bound"] = amsgrad
        param.grad = torch.ones(2)
        optimizer.step()
    assert optimizer.state_dict()["state"][0]["step"] == 3
    assert torch.allclose(optimizer.state[param]["max_exp_avg_sq"], optimizer.state[param]["exp_avg_sq"])
    assert torch.allclose(param, torch.tensor(-0.3))


@pytest.mark.parametrize(
    "frozen",
    [torch.zeros(3, dtype=dtype) for dtype in (torch.int8, torch.bool, torch.complex64)] + [torch.zeros(3, device="meta")],
    ids=str,
)
def test_frozen_parameters_of_any_kind_are_stepped_past(frozen):
    params = [torch.nn.Parameter(frozen, requires_grad=False), torch.nn.Parameter(torch.ones(2))]
    optimizer = optim.AdamW(params, lr=0.1, weight_decay=0.0)
    params[1].grad = torch.ones(2)
    optimizer.step()
    assert torch.allclose(params[1], torch.tensor(0.9))
    optimizer.load_state_dict(optimizer.state_dict())
    with pytest.raises(TypeError, match="params\\[0\\] is torch.complex64"):
        optim.AdamW([torch.nn.Parameter(torch.zeros(2, dtype=torch.complex64))])


def test_keys_of_groups():
    param = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(TypeError, match="clip_norm is an option of the optimizer, for all groups"):
        optim.SGD([{"params": [param], "clip_norm": 1.0}])
    with pytest.warns(UserWarning, match="SGD has no option momentun; did you mean momentum"):
        optim.SGD([{"params": [param], "momentun": 0.9}])
    optimizer = optim.SGD([{"params": [param], "name": "head", "initial_lr": 0.1}], clip_norm=1.0)
    assert optimizer.param_groups[0]["name"] == "head"
    assert "clip_norm=1.0" in repr(optimizer)


@pytest.mark.parametrize("how", ["load_state_dict", "clamp_", "data"])
def test_master_weights_follow_their_parameters(how):
    model = torch.nn.Linear(4, 1, bias=False).bfloat16()
    optimizer = optim.SGD(model.parameters(), lr=2**-12, master_weights=True)
    with torch.no_grad():
        model.weight.fill_(3.0)

    def step():
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()

    for _ in range(3):
        step()
    master = optimizer.state[model.weight]["master_param"]
    assert torch.allclose(master, torch.tensor(3 - 3 * 2.0**-12))  # what bfloat16 does not hold is kept
    if how == "load_state_dict":
        model.load_state_dict({"weight": torch.full((1, 4), 5.0).bfloat16()})
    elif how == "clamp_":
        with torch.no_grad():
            model.weight[0, :2].clamp_(max=2.0)
    else:
        model.weight.data[0, 0] = 1.0
        optimizer.take_parameters()
    step()
    expected = {"load_state_dict": [5, 5, 5, 5], "clamp_": [2, 2, 3 - 3 * 2**-12, 3 - 3 * 2**-12]}
    expected = torch.tensor(expected.get(how, [1] + [3 - 3 * 2**-12] * 3)) - 2**-12
    assert torch.allclose(master, expected.reshape(1, 4))


def test_a_norm_that_is_not_finite_clips_as_torch_does():
    for bad in (float("nan"), float("inf")):
        ours, theirs = ([torch.nn.Parameter(torch.ones(2)) for _ in range(2)] for _ in range(2))
        optimizers = optim.SGD(ours, lr=0.1, clip_norm=1.0), torch.optim.SGD(theirs, lr=0.1)
        for params in (ours, theirs):
            params[0].grad, params[1].grad = torch.tensor([bad, 1.0]), torch.full((2,), 1e4)
        torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        for optimizer in optimizers:
            optimizer.step()
        assert all(torch.allclose(a, b, equal_nan=True) for a, b in zip(ours, theirs))


def test_schedules_resume_at_the_next_step():
    schedule = optim.schedules.LinearSchedule(max_lr=1.0, t_max=100)
    optimizer = optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    optimizer.param_groups[0]["initial_lr"] = 1.0
    scheduler = optim.ScheduleLR(optimizer, schedule, last_epoch=10)
    assert optimizer.param_groups[0]["lr"] == schedule(11)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == schedule(12.0)
    with pytest.raises(ValueError, match="step is 1.5"):
        schedule(1.5)


def test_functions_take_what_programs_have():
    params = [torch.nn.Parameter(torch.ones(2)) for _ in range(3)]
    params[0].grad, params[2].grad = torch.full((2,), 3.0), torch.full((2,), 4.0)
    norm = optim.functions.clip_grad_norm((p.grad for p in params), 1.0)
    assert abs(norm - 50**0.5) < 1e-5
    optim.functions.clip_grad_norm([], 1.0)
    optim.functions.clip_grad_norm([torch.zeros(0, 3)], 1.0)
    optim.functions.agc(params, [p.grad for p in params], clip_val=0.01)
