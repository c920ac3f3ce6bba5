"""torch.optim's own optimizers: equal trajectories, states that go from one to the other, its schedulers."""

import pytest
import torch
from support import DATA, TARGET, difference, loss_of, model, train

import optim

# torch's options, and ours for the same
PAIRS = {
    "adam": (torch.optim.Adam, {}, optim.Adam, {}),
    "adam_l2_amsgrad": (
        torch.optim.Adam,
        {"weight_decay": 0.1, "amsgrad": True, "betas": (0.8, 0.95)},
        optim.Adam,
        {"weight_decay": 0.1, "amsgrad": True, "betas": (0.8, 0.95)},
    ),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "eps": 1e-6}, optim.AdamW, {"lr": 0.01, "eps": 1e-6}),
    "adamw_maximize": (torch.optim.AdamW, {"maximize": True}, optim.AdamW, {"maximize": True}),
    "sgd": (torch.optim.SGD, {"lr": 0.1}, optim.SGD, {"lr": 0.1}),
    "sgd_momentum": (
        torch.optim.SGD,
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01},
        optim.SGD,
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01},
    ),
    "sgd_nesterov": (
        torch.optim.SGD,
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
        optim.SGD,
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ),
    # torch's decays into the gradient and steps with the first moment alone while it cannot rectify
    "radam": (
        torch.optim.RAdam,
        {"lr": 0.01, "weight_decay": 0.1},
        optim.RAdam,
        {"lr": 0.01, "weight_decay": 0.1, "weight_decouple": False, "degenerated_to_sgd": True},
    ),
}
pairs = pytest.mark.parametrize("name", PAIRS)


def make(name):
    theirs, their_options, ours, our_options = PAIRS[name]
    first, second = model(), model()
    return first, theirs(first.parameters(), **their_options), second, ours(second.parameters(), **our_options)


@pairs
@pytest.mark.parametrize("set_to_none", [False, True])
def test_trajectories_are_equal(name, set_to_none):
    first, theirs, second, ours = make(name)
    train(first, theirs, 30, set_to_none)
    train(second, ours, 30, set_to_none)
    assert difference(first, second) < 2e-6


@pairs
def test_states_go_both_ways(name):
    first, theirs, second, ours = make(name)
    train(first, theirs, 8)
    train(second, ours, 8)
    ours_on_theirs, theirs_on_ours = make(name)[3], make(name)[1]
    # ours goes on where torch's stopped, and the other way round
    ours_on_theirs.param_groups[0]["params"] = list(first.parameters())
    ours_on_theirs.load_state_dict(theirs.state_dict())
    theirs_on_ours.param_groups[0]["params"] = list(second.parameters())
    theirs_on_ours.load_state_dict(ours.state_dict())
    train(first, ours_on_theirs, 8)
    train(second, theirs_on_ours, 8)
    straight, optimizer = make(name)[:2]
    train(straight, optimizer, 16)
    assert difference(straight, first) < 2e-6
    assert difference(straight, second) < 2e-6
    if any("step" in state for state in theirs.state_dict()["state"].values()):  # torch's SGD does not count
        assert {group["step"] for group in ours_on_theirs.state_dict()["param_groups"]} == {16}


def test_a_state_of_pytorch_optimizer_loads():
    """Its classes keep the step in the group, and the states of AdaBelief under the same names."""
    first, second = model(), model()
    original = optim.AdaBelief(first.parameters(), rectify=False)
    train(first, original, 5)
    params = list(first.parameters())
    state = {
        "state": {
            i: {name: original.state[p][name].clone() for name in ("exp_avg", "exp_avg_var")} for i, p in enumerate(params)
        },
        "param_groups": [
            {
                "lr": 0.001,
                "betas": (0.9, 0.999),
                "weight_decay": 0.0,
                "weight_decouple": True,
                "fixed_decay": False,
                "rectify": False,
                "n_sma_threshold": 5,
                "degenerated_to_sgd": True,
                "ams_bound": False,
                "eps": 1e-16,
                "foreach": False,
                "step": 5,
                "params": [0, 1, 2, 3],
            }
        ],
    }
    second.load_state_dict(first.state_dict())
    resumed = optim.AdaBelief(second.parameters())
    resumed.load_state_dict(state)
    train(first, original, 5)
    train(second, resumed, 5)
    assert difference(first, second) == 0


def late(index, step):
    """Which gradients are missing: parameter 1 waits, parameter 2 comes and goes."""
    return (index == 1 and step < 5) or (index == 2 and step % 3 == 0)


def steps_with_gaps(params, optimizers, first, last):
    for step in range(first, last + 1):
        for group, optimizer in zip(params, optimizers):
            torch.manual_seed(step)
            for index, param in enumerate(group):
                gradient = torch.randn_like(param)
                param.grad = None if late(index, step) else gradient
            optimizer.step()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adam", {"lr": 0.1}),
        ("AdamW", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ],
)
def test_counts_belong_to_parameters_as_in_torch(name, options):
    """Unfrozen layers and sparse experts step as in torch.optim, across checkpoints in both directions."""
    torch.manual_seed(0)
    values = [torch.randn(shape) for shape in [(3,), (4, 2), (5,), (2, 2)]]
    sets = [[torch.nn.Parameter(value.clone()) for value in values] for _ in range(2)]
    classes = getattr(torch.optim, name), getattr(optim, name)
    theirs, ours = optimizers = [make(params, **options) for make, params in zip(classes, sets)]
    steps_with_gaps(sets, optimizers, 1, 9)
    assert all(torch.allclose(*pair, rtol=2e-5, atol=2e-6) for pair in zip(*sets))
    resumed = [make(params, **options) for make, params in zip(classes, sets)]
    resumed[0].load_state_dict(ours.state_dict())
    resumed[1].load_state_dict(theirs.state_dict())
    steps_with_gaps(sets, resumed, 10, 14)
    assert all(torch.allclose(*pair, rtol=2e-5, atol=2e-6) for pair in zip(*sets))


def test_states_take_their_counts_to_another_parameter():
    """As programs do that grow or prune parameters while they train."""
    results = []
    for library in (torch.optim, optim):
        old, other = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
        optimizer = library.Adam([old, other], lr=0.1)
        for _ in range(20):
            old.grad, other.grad = torch.ones(2), torch.ones(2)
            optimizer.step()
        state = optimizer.state.pop(old)
        new = torch.nn.Parameter(torch.cat([old.detach(), torch.zeros(1)]))
        for name in ("exp_avg", "exp_avg_sq"):
            state[name] = torch.cat([state[name], torch.zeros(1)])
        optimizer.param_groups[0]["params"][0] = new
        optimizer.state[new] = state
        del optimizer.state[other]  # which begins anew
        for _ in range(2):
            new.grad, other.grad = torch.ones(3), -torch.ones(2)
            optimizer.step()
        results.append(torch.cat([new.detach(), other.detach()]))
    assert torch.allclose(*results, rtol=1e-4)


def test_counts_of_a_group_together():
    """As pytorch_optimizer counts, where a group asks for it: the second parameter begins with the correction of step 4."""
    params = [torch.nn.Parameter(torch.zeros(2)) for _ in range(2)]
    optimizer = optim.Adam([{"params": params, "steps_by_group": True}], lr=0.1)
    for step in range(4):
        for param in params[: 1 if step < 3 else 2]:
            param.grad = torch.ones(2)
        optimizer.step()
    by_hand = 0.1 * (0.1 / (1 - 0.9**4)) / (0.001 / (1 - 0.999**4)) ** 0.5
    assert torch.allclose(params[1], torch.full((2,), -by_hand), rtol=1e-5)
    assert [float(optimizer.state_dict()["state"][i]["step"]) for i in range(2)] == [4, 4]


def test_torch_classes_read_amsgrad_of_ours():
    made = model()
    ours = optim.Adam(made.parameters(), amsgrad=True)
    train(made, ours, 2)
    theirs = torch.optim.Adam(made.parameters())
    theirs.load_state_dict(ours.state_dict())
    assert theirs.param_groups[0]["amsgrad"] is True
    steps = [theirs.state[p]["step"] for p in made.parameters()]
    assert [float(step) for step in steps] == [2.0] * 4
    assert len({id(step) for step in steps}) == 4  # torch counts each up by itself


@pytest.mark.parametrize(
    "make_scheduler",
    [
        lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=20),
        lambda o: torch.optim.lr_scheduler.CyclicLR(o, 0.01, 0.1, 4, cycle_momentum=False),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda n: 1 / (1 + n)),
        lambda o: torch.optim.lr_scheduler.SequentialLR(
            o,
            [torch.optim.lr_scheduler.LinearLR(o, 0.1, 1.0, 3), torch.optim.lr_scheduler.ExponentialLR(o, 0.9)],
            milestones=[3],
        ),
    ],
)
def test_schedulers_of_torch(make_scheduler):
    first, theirs, second, ours = make("adamw")
    train(first, theirs, 15, scheduler=make_scheduler(theirs))
    train(second, ours, 15, scheduler=make_scheduler(ours))
    assert difference(first, second) < 2e-6
    assert theirs.param_groups[0]["lr"] == ours.param_groups[0]["lr"] != 0.01


def test_a_scheduler_that_watches_the_loss():
    made = model()
    ours = optim.SGD(made.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(ours, patience=0)
    scheduler.step(1.0)
    scheduler.step(2.0)
    assert ours.param_groups[0]["lr"] == pytest.approx(0.01)
    before = made[0].weight.detach().clone()
    loss_of(made).backward()
    ours.step()
    assert torch.allclose(before - made[0].weight, 0.01 * made[0].weight.grad, atol=1e-6)


def test_options_changed_between_steps_take_effect():
    first, theirs, second, ours = make("sgd_momentum")
    for step in range(8):
        for made, optimizer in ((first, theirs), (second, ours)):
            optimizer.param_groups[0].update(lr=0.1 / (1 + step), momentum=0.5 + step / 20, weight_decay=step / 100)
            train(made, optimizer, 1)
    assert difference(first, second) < 2e-6


def test_closure():
    first, theirs, second, ours = make("adam")
    calls = []

    def closure_of(made, optimizer):
        def closure():
            assert torch.is_grad_enabled()
            calls.append(optimizer)
            optimizer.zero_grad()
            loss = ((made(DATA) - TARGET) ** 2).mean()
            loss.backward()
            return loss

        return closure

    losses = [[float(o.step(closure_of(m, o))) for _ in range(5)] for m, o in ((first, theirs), (second, ours))]
    assert losses[0] == pytest.approx(losses[1])
    assert calls.count(ours) == 5
    assert ours.step() is None
