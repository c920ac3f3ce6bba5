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


# What makes a first step differ from others, in rules that have it.
MOMENTUM = {"momentum": 0.9, "dampening": 0.5}


@every_class
@pytest.mark.parametrize("way", ["state_dict", "pickle", "arrays", "another parameter thaws"])
def test_a_first_gradient_that_comes_after_resuming(chosen, way):
    """Rules may begin with it otherwise than go on: those that have not had one yet are told apart."""
    options = {name: value for name, value in MOMENTUM.items() if name in chosen.options.defaults}
    shapes = [(4, 3), (2,), (3, 2), (5,)]
    chosen = getattr(optim.arrays, chosen.__name__) if way == "arrays" else chosen

    def start():
        params = [torch.nn.Parameter(torch.full(shape, 0.5)) for shape in shapes]
        params[3].requires_grad_(False)
        return params, create(chosen, [p.detach() for p in params] if way == "arrays" else params, lr=0.01, **options)

    def steps(params, optimizer, first, last):
        for step in range(first, last):
            grads = [torch.randn(shape, generator=torch.Generator().manual_seed(step)) for shape in shapes]
            late = [False, step < 3, step < 5, True]  # the gradient of params[2] comes after the stop
            grads = [None if waits else grad for waits, grad in zip(late, grads)]
            inputs = {name: [g if g is None else g.abs() for g in grads] for name in chosen.rule.needs}
            if way == "arrays":
                optimizer.step(grads, **inputs)
                continue
            for param, grad in zip(params, grads):
                param.grad = grad
            optimizer.step(**inputs)

    (straight, whole), (stopped, first) = start(), start()
    steps(straight, whole, 0, 8)
    steps(stopped, first, 0, 4)
    if way == "pickle":
        stopped, first = pickle.loads(pickle.dumps((stopped, first)))
    elif way == "another parameter thaws":
        stopped[3].requires_grad_(True)
    else:
        other, second = start()
        second.load_state_dict(first.state_dict())
        for to, kept in zip(other, stopped):
            to.data.copy_(kept)
        stopped, first = other, second
    steps(stopped, first, 4, 8)
    assert all(torch.equal(a, b) for a, b in zip(straight[:3], stopped[:3]))


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


@pytest.mark.parametrize("option", [h for h in optim.HELPERS if h.default], ids=lambda h: h.name)
def test_helper_options_have_the_defaults_of_the_schema(option):
    on = {"clip_norm": 0.1, "agc_clip_val": 0.01, "normalize": True, "norm_loss_factor": 0.1, "lookahead_k": 2}
    switch = {name: value for name, value in on.items() if name.split("_")[:1] == option.name.split("_")[:1]}

    def trained(**options):
        made = model()
        return train(made, optim.SGD(made.parameters(), lr=0.1, **switch, **options), 3)

    other = 1 if option.default in (2, 0.5) else 1e6 * option.default
    assert trained() == trained(**{option.name: option.default}) == trained(**{option.name: 0})
    assert trained() != trained(**{option.name: other})
