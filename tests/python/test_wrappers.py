"""Lookahead, SAM and PCGrad."""

import copy
import pickle

import numpy
import pytest
import torch
from golden import cases, norm, tolerances
from support import CLASS_LIST, create, difference, equal, loss_of, model, train
from test_golden import tensors

import optim

SAM_CASES = [case for case in cases() if case.item == "sam" and case.steps > 0]


def test_lookahead_is_the_helper():
    first, second = model(), model()
    train(first, optim.AdamW(first.parameters(), lookahead_k=3, lookahead_alpha=0.8, lookahead_pullback="reset"), 10)
    wrapped = optim.Lookahead(optim.AdamW(second.parameters()), k=3, alpha=0.8, pullback_momentum="reset")
    train(second, wrapped, 10)
    assert equal(first, second)
    assert isinstance(wrapped, torch.optim.Optimizer)
    assert "slow_params" in wrapped.state[next(second.parameters())]


def test_lookahead_in_plain_torch():
    """Against the paper's algorithm 1 written out."""
    first, second = model(), model()
    base = torch.optim.SGD(first.parameters(), lr=0.1)
    slow = [param.detach().clone() for param in first.parameters()]
    wrapped = optim.Lookahead(optim.SGD, params=second.parameters(), lr=0.1, k=4, alpha=0.3)
    for step in range(1, 13):
        train(first, base, 1)
        if step % 4 == 0:
            with torch.no_grad():
                for kept, param in zip(slow, first.parameters()):
                    kept.add_(param - kept, alpha=0.3)
                    param.copy_(kept)
    train(second, wrapped, 12)
    assert difference(first, second) < 1e-6


def test_lookahead_with_schedulers_states_and_copies():
    first = model()
    wrapped = optim.Lookahead(optim.AdamW(first.parameters()), k=2)
    scheduler = torch.optim.lr_scheduler.StepLR(wrapped, 2, 0.5)
    train(first, wrapped, 5, scheduler=scheduler)
    assert wrapped.param_groups[0]["lr"] == 0.001 / 4
    others = [copy.deepcopy((first, wrapped)), pickle.loads(pickle.dumps((first, wrapped)))]
    fresh = model()
    fresh.load_state_dict(first.state_dict())
    loaded = optim.Lookahead(optim.AdamW(fresh.parameters()), k=2)
    loaded.load_state_dict(wrapped.state_dict())
    train(first, wrapped, 3)
    for other, optimizer in [*others, (fresh, loaded)]:
        train(other, optimizer, 3)
        assert equal(first, other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: optim.Lookahead(torch.optim.SGD(m.parameters(), lr=1)), "SGD is none of them"),
        (lambda m: optim.Lookahead(optim.SGD(m.parameters()), k=0), "k is 0"),
        (lambda m: optim.Lookahead(optim.SGD(m.parameters()), alpha=2), "lookahead_alpha"),
        (lambda m: optim.Lookahead(optim.SGD(m.parameters()), pullback_momentum="x"), "lookahead_pullback is 'x'"),
        (lambda m: optim.SAM(m.parameters(), optim.SGD, rho=-1), "rho of group 0 is -1"),
        (lambda m: optim.SAM(m.parameters(), optim.SGD).step(), "needs a closure"),
        (lambda m: optim.SAM(m.parameters(), optim.SGD).second_step(), "first_step comes first"),
        (lambda m: optim.PCGrad(optim.SGD(m.parameters()), reduction="max"), "reduction is 'max'"),
        (lambda m: optim.PCGrad(3), "optimizer is a int"),
    ],
)
def test_misuse(make, message):
    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        make(model())


def test_slow_parameters_can_be_evaluated():
    made = model()
    wrapped = optim.Lookahead(optim.SGD(made.parameters(), lr=0.1), k=4)
    wrapped.backup_and_load_cache()
    wrapped.clear_and_load_backup()
    train(made, wrapped, 4)
    slow = copy.deepcopy(made)
    train(made, wrapped, 2)
    fast = copy.deepcopy(made)
    wrapped.backup_and_load_cache()
    assert equal(made, slow) and not equal(made, fast)
    with pytest.raises(RuntimeError, match="clear_and_load_backup comes next"):
        wrapped.backup_and_load_cache()
    wrapped.clear_and_load_backup()
    assert equal(made, fast)


def test_lookahead_comes_before_the_first_step():
    made = model()
    optimizer = optim.SGD(made.parameters())
    train(made, optimizer, 1)
    with pytest.raises(RuntimeError, match="before the first step"):
        optim.Lookahead(optimizer)


def test_there_are_golden_cases_of_sam():
    assert len(SAM_CASES) >= 2


@pytest.mark.parametrize("case", SAM_CASES, ids=lambda case: case.name)
def test_sam_golden(case):
    hypers = dict(case.hypers)
    own = {name: hypers.pop(name) for name in optim.SAM.OPTIONS if name in hypers}
    params = [torch.nn.Parameter(torch.tensor(init, dtype=torch.float64)) for init in tensors(case, "param", "init")]
    optimizer = optim.SAM(params, optim.SGD, **own, **hypers)
    for step in range(1, case.steps + 1):
        for param, grad in zip(params, tensors(case, "grad", step)):
            param.grad = torch.tensor(grad, dtype=torch.float64) if grad is not None else None
        optimizer.first_step()
        for param, grad in zip(params, tensors(case, "aux", f"grad2.{step}")):
            param.grad = torch.tensor(grad, dtype=torch.float64) if grad is not None else None
        optimizer.second_step()
        if step in case.recorded:
            for i, param in enumerate(params):
                right = case.tensors[f"param.{i}.{step}"]
                assert norm(param.detach().numpy() - right) <= 1e-9 * norm(right)
    assert case.name in tolerances()


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("base", [optim.AdamW, torch.optim.AdamW, *[c for c in CLASS_LIST if c.rule.name == "lamb"]])
def test_sam_in_plain_torch(adaptive, base):
    first, second = model(), model()
    plain = base(first.parameters(), lr=0.01)
    optimizer = optim.SAM(second.parameters(), base, rho=0.5, adaptive=adaptive, lr=0.01)
    for _ in range(5):
        plain.zero_grad()
        loss_of(first).backward()
        with torch.no_grad():
            scaled = [(p.abs() if adaptive else 1) * p.grad for p in first.parameters()]
            size = 0.5 / (torch.cat([s.flatten() for s in scaled]).norm() + 1e-12)
            old = [p.clone() for p in first.parameters()]
            for p, s in zip(first.parameters(), scaled):
                p.add_((p.abs() if adaptive else 1) * s * size)
        plain.zero_grad()
        loss_of(first).backward()
        with torch.no_grad():
            for p, o in zip(first.parameters(), old):
                p.copy_(o)
        plain.step()

        def closure():
            loss = loss_of(second)
            loss.backward()
            return loss

        optimizer.zero_grad()
        closure()
        assert float(optimizer.step(closure)) > 0
    assert difference(first, second) < 1e-5


def test_sam_restores_when_the_closure_fails_and_keeps_what_has_no_gradient():
    made = model()
    optimizer = optim.SAM(made.parameters(), optim.SGD, rho=1.0, lr=0.1)
    before = model()
    loss_of(made).backward()
    made[0].bias.grad = None
    with pytest.raises(ZeroDivisionError):
        optimizer.step(lambda: 1 / 0)
    assert equal(before, made)
    loss_of(made).backward()
    optimizer.first_step()
    assert not equal(before, made)
    with pytest.raises(RuntimeError, match="second_step comes next"):
        optimizer.first_step()
    for keep in (pickle.dumps, optim.SAM.state_dict):
        with pytest.raises(RuntimeError, match="perturbed"):
            keep(optimizer)
    optimizer.restore()
    assert equal(before, made)
    copied = pickle.loads(pickle.dumps((made, optimizer)))[1]
    assert copied.param_groups[0]["rho"] == 1.0


@pytest.mark.parametrize("base", [optim.AdamW, torch.optim.AdamW])
def test_sam_resumes_with_its_options(base):
    def steps(made, optimizer, count):
        for _ in range(count):
            for half in (optimizer.first_step, optimizer.second_step):
                loss_of(made).backward()
                half(zero_grad=True)

    straight, stopped = model(), model()
    whole, first = (optim.SAM(m.parameters(), base, lr=0.01) for m in (straight, stopped))
    for optimizer in (whole, first):
        optimizer.param_groups[0].update(rho=0.7, adaptive=True, perturb_eps=0.5, asam_eta=0.1, use_gc=True)
    steps(straight, whole, 6)
    steps(stopped, first, 3)
    second = optim.SAM(stopped.parameters(), base, lr=0.5, rho=0.1)
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    steps(stopped, second, 3)
    assert equal(straight, stopped)


def test_pcgrad_in_plain_torch():
    """Two tasks, whose order of projection does not matter: each is projected onto the normal plane of the other."""
    made = torch.nn.Linear(6, 2)
    tasks = [torch.randn(3, 6), torch.randn(3, 6)]

    def losses():
        return [made(tasks[0])[:, 0].pow(2).sum() + made.bias.sum(), -made(tasks[1]).pow(2).sum() - 2 * made.bias.sum()]

    flat = []
    for loss in losses():
        grads = torch.autograd.grad(loss, list(made.parameters()))
        flat.append(torch.cat([g.flatten() for g in grads]))
    dot = flat[0] @ flat[1]
    assert dot < 0
    wanted = sum(flat) - dot * (flat[1] / flat[1].norm() ** 2 + flat[0] / flat[0].norm() ** 2)
    for reduction, factor in (("sum", 1.0), ("mean", 0.5)):
        optimizer = optim.PCGrad(optim.SGD(made.parameters()), reduction=reduction)
        optimizer.pc_backward(losses())
        merged = torch.cat([p.grad.flatten() for p in made.parameters()])
        assert torch.allclose(merged, wanted * factor, rtol=1e-4, atol=1e-5)
    before = made.weight.detach().clone()
    optimizer.step()
    assert not torch.equal(before, made.weight)


def test_pcgrad_of_tasks_that_share_not_all():
    made = model()
    head = torch.nn.Linear(3, 1)
    optimizer = optim.PCGrad(optim.AdamW([*made.parameters(), *head.parameters()]))
    optimizer.pc_backward([loss_of(made), head(made(torch.ones(2, 5))).sum()])
    assert all(p.grad is not None for p in [*made.parameters(), *head.parameters()])
    optimizer.pc_backward([loss_of(made)])
    assert head.weight.grad is None
    alone = model()
    loss_of(alone).backward()
    assert torch.allclose(alone[0].weight.grad, made[0].weight.grad, atol=1e-6)
    optimizer.step()


def test_hutchinson_finds_the_diagonal_of_a_quadratic():
    """The Hessian of sum a_i x_i^2 / 2 is diagonal: one probe is exact."""
    a = torch.tensor([1.0, 2.0, 5.0])
    param = torch.nn.Parameter(torch.randn(3))
    without = torch.nn.Parameter(torch.randn(2))
    (a * param**2 / 2).sum().backward(create_graph=True)
    found = optim.hutchinson([param, without], num_samples=3, offset=5)
    assert torch.allclose(found[0], a) and found[1] is None
    param.grad = None
    (a * param**2 / 2).sum().backward(create_graph=True)
    found = optim.hutchinson([param], num_samples=2000, distribution="gaussian")
    assert torch.allclose(found[0], a, rtol=0.2)
    with pytest.raises(ValueError, match="distribution is 'uniform'"):
        optim.hutchinson([param], distribution="uniform")
    optimizer = optim.AdaHessian([param, without], lr=0.1, update_period=2)
    for step in range(4):
        optimizer.zero_grad(set_to_none=True)
        (a * param**2 / 2).sum().backward(create_graph=True)
        optimizer.step()
    assert optimizer.state_dict()["state"][0]["input_step"] == 2
    without.grad = None
    optimizer.zero_grad(set_to_none=True)
    ((a * param**2 / 2).sum() + without.square().sum()).backward(create_graph=True)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    late = torch.nn.Parameter(torch.ones(2))
    optimizer.add_param_group({"params": [late]})
    ((a * param**2 / 2).sum() + late.square().sum()).backward(create_graph=True)
    optimizer.step()  # one that estimates nothing but for the new parameter
    assert optimizer.state_dict()["state"][2]["input_step"] == 1
    assert numpy.isfinite(param.detach().numpy()).all()


@pytest.mark.parametrize("chosen", CLASS_LIST, ids=lambda c: c.__name__)
def test_sam_around_every_rule(chosen):
    made = model()
    options = create(chosen, made.parameters()).defaults
    optimizer = optim.SAM(made.parameters(), chosen, **options)
    inputs = {name: [torch.ones_like(p) for p in made.parameters()] for name in chosen.rule.needs}
    before = float(loss_of(made))
    for group in optimizer.param_groups:
        group["lr"] = 0.01
    for _ in range(40):
        optimizer.zero_grad()
        loss_of(made).backward()
        optimizer.first_step(zero_grad=True)
        loss_of(made).backward()
        optimizer.restore()
        optimizer.optimizer.step(**inputs)
    assert float(loss_of(made)) < before
