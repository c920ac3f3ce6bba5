"""Every class of the catalogue: its signature, documentation, pickling, resuming."""

import copy
import inspect
import io
import pickle

import pytest
import torch
from support import CLASS_LIST, create, equal, loss_of, model, train

import optim

every_class = pytest.mark.parametrize("chosen", CLASS_LIST, ids=lambda c: c.__name__)


def test_the_catalogue_is_whole():
    assert [c.rule for c in CLASS_LIST] == list(optim.RULES)
    for chosen in CLASS_LIST:
        assert getattr(optim, chosen.__name__) is chosen
        assert issubclass(chosen, torch.optim.Optimizer)
        assert chosen.__name__ in dir(optim)


@every_class
def test_signature_and_documentation(chosen):
    parameters = inspect.signature(chosen).parameters
    assert next(iter(parameters)) == "params"
    for hyper in chosen.rule.hypers:
        if hyper.name in chosen.options.betas:
            default = parameters["betas"].default[chosen.options.betas.index(hyper.name)]
        else:
            default = parameters[hyper.name].default
        assert hyper.number(default) == hyper.default
        assert hyper.doc in chosen.__doc__
    for helper in chosen.options.helpers:
        assert f"    {helper}: " in chosen.__doc__
    for slot in chosen.rule.slots:
        assert f"    {slot.name}: {slot.doc}" in chosen.__doc__
    assert chosen.rule.paper in chosen.__doc__ and chosen.rule.url in chosen.__doc__


@every_class
def test_lr_and_betas_may_be_positional_and_what_follows_not(chosen):
    kinds = {name: p.kind for name, p in inspect.signature(chosen).parameters.items()}
    assert kinds["lr"] == inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert kinds["maximize"] == inspect.Parameter.KEYWORD_ONLY


@every_class
def test_it_trains(chosen):
    made = model()
    losses = train(made, create(chosen, made.parameters(), lr=0.01), 60)
    assert losses[-1] < losses[0]


@every_class
def test_resuming_equals_never_having_stopped(chosen):
    straight, stopped = model(), model()
    train(straight, create(chosen, straight.parameters()), 11)
    first = create(chosen, stopped.parameters())
    train(stopped, first, 5)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = create(chosen, stopped.parameters(), lr=0.5)
    second.load_state_dict(torch.load(file))
    train(stopped, second, 6)
    assert equal(straight, stopped)


@every_class
@pytest.mark.parametrize("stepped", [False, True])
def test_pickle_and_deepcopy_keep_everything(chosen, stepped):
    made = model()
    optimizer = create(chosen, made.parameters(), clip_norm=1.0)
    if stepped:
        train(made, optimizer, 4)
    copies = [copy.deepcopy((made, optimizer)), pickle.loads(pickle.dumps((made, optimizer)))]
    train(made, optimizer, 4)
    for other, copied in copies:
        assert copied.helpers == {"clip_norm": 1.0}
        train(other, copied, 4)
        assert equal(made, other)


@every_class
def test_float64_parameters_step_in_float64(chosen):
    single, double = model(), model().double()
    train(single, create(chosen, single.parameters()), 3)
    optimizer = create(chosen, double.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        ((double(torch.randn(4, 5, dtype=torch.float64))) ** 2).mean().backward(create_graph=bool(chosen.rule.needs))
        optimizer.step()
    for state in optimizer.state.values():
        assert all(value.dtype == torch.float64 for value in state.values())


@every_class
def test_parameters_without_gradient_stay(chosen):
    made = model()
    optimizer = create(chosen, made.parameters())
    train(made, optimizer, 8)  # RAdam moves nothing at its first steps
    before = [param.detach().clone() for param in made.parameters()]
    loss_of(made).backward(create_graph=bool(chosen.rule.needs))
    first = next(made.parameters())
    first.grad = None
    states = {name: value.clone() for name, value in optimizer.state[first].items()}
    optimizer.step()
    params = list(made.parameters())
    assert torch.equal(params[0], before[0])
    assert all(torch.equal(value, optimizer.state[first][name]) for name, value in states.items())
    assert not torch.equal(params[1], before[1])


def test_options_of_groups_and_of_add_param_group():
    made = model()
    params = list(made.parameters())
    optimizer = optim.AdamW([{"params": params[:1], "lr": 0.1}, {"params": params[1:2], "betas": (0.5, 0.6)}], lr=0.2)
    train(made, optimizer, 3)
    frozen = params[2].detach().clone()
    optimizer.add_param_group({"params": params[2:], "lr": 0.0, "amsgrad": True})
    train(made, optimizer, 2)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2, 0.0]
    assert optimizer.param_groups[1]["betas"] == (0.5, 0.6)
    assert optimizer.param_groups[2]["ams_bound"] is True
    assert torch.equal(frozen, params[2])
    assert "max_exp_avg_sq" in optimizer.state[params[2]] and "max_exp_avg_sq" not in optimizer.state[params[0]]
    assert [group["step"] for group in optimizer.state_dict()["param_groups"]] == [5, 5, 2]


def test_groups_step_as_optimizers_of_their_own():
    together, apart = model(), model()
    a, b = list(together.parameters()), list(apart.parameters())
    both = optim.Lamb([{"params": a[:2], "lr": 0.05}, {"params": a[2:], "weight_decay": 0.1}])
    one, two = optim.Lamb(b[:2], lr=0.05), optim.Lamb(b[2:], weight_decay=0.1)
    for _ in range(5):
        for made, optimizers in ((together, [both]), (apart, [one, two])):
            made.zero_grad(set_to_none=True)
            loss_of(made).backward()
            for optimizer in optimizers:
                optimizer.step()
    assert equal(together, apart)
