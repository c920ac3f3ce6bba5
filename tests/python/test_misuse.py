"""Bad input is refused with the thing, the value and what is allowed, and changes nothing."""

import pytest
import torch
from support import CLASS_LIST, create, equal, loss_of, model, train

import optim

every_class = pytest.mark.parametrize("chosen", CLASS_LIST, ids=lambda c: c.__name__)


@every_class
def test_values_out_of_range(chosen):
    params = list(model().parameters())
    for hyper in chosen.rule.hypers:
        if hyper.kind == "word":
            with pytest.raises(ValueError, match=f"{hyper.name} is 'nonsense'; allowed is one of"):
                chosen(params, **{hyper.name: "nonsense"})
            continue
        values = [float("nan")]
        if hyper.minimum is not None:
            values.append(hyper.minimum if hyper.minimum_open else hyper.minimum - 1)
        for value in values:
            options = {hyper.name: value}
            if hyper.name in chosen.options.betas:
                options = {"betas": tuple(value if b == hyper.name else 0.5 for b in chosen.options.betas)}
            with pytest.raises(optim.InvalidArgumentError, match=f"{hyper.name} of group 0 is .*; allowed"):
                chosen(params, **options)


@every_class
def test_unknown_options_are_named_with_those_that_exist(chosen):
    with pytest.raises(TypeError, match="no option learning_rate; it has .*lr"):
        chosen(model().parameters(), learning_rate=1)
    with pytest.raises(TypeError, match="missing a required argument: 'params'"):
        chosen()
    with pytest.raises(TypeError, match="lr is 'fast'; a number is needed"):
        chosen(model().parameters(), lr="fast")


def test_what_torch_refuses():
    with pytest.raises(ValueError, match="empty parameter list"):
        optim.AdamW([])
    with pytest.raises(TypeError, match="iterable"):
        optim.AdamW(torch.nn.Parameter(torch.ones(2)))
    with pytest.raises(ValueError, match="non-leaf"):
        optim.AdamW([torch.nn.Parameter(torch.ones(2)) * 2])
    with pytest.raises(ValueError, match="betas is \\(0.9,\\); adamw has 2"):
        optim.AdamW(model().parameters(), betas=(0.9,))


def test_a_refused_group_is_not_added():
    made = model()
    params = list(made.parameters())
    optimizer = optim.AdamW(params[:2])
    for group, error in [
        ({"params": params[2:], "lr": -1}, "lr of group"),
        ({"params": params[2:], "betas": (0.9, 1.0)}, "beta2"),
        ({"params": [torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))]}, "params\\[2\\] is torch.complex64"),
        ({"params": params[:1]}, "more than one"),
    ]:
        with pytest.raises((ValueError, TypeError), match=error):
            optimizer.add_param_group(group)
        assert len(optimizer.param_groups) == 1
    train(made, optimizer, 1)


def sparse(param):
    return torch.sparse_coo_tensor([[0]], [[1.0] * param.shape[1]], param.shape)


@every_class
def test_sparse_gradients(chosen):
    made = torch.nn.Embedding(4, 3, sparse=True)
    optimizer = create(chosen, made.parameters())
    before = made.weight.detach().clone()
    made(torch.tensor([1])).sum().backward()
    assert made.weight.grad.is_sparse
    with pytest.raises(TypeError, match="the gradient of params\\[0\\] is sparse .*; a dense tensor is needed"):
        optimizer.step()
    assert torch.equal(before, made.weight)
    made.weight.grad = made.weight.grad.to_dense()
    optimizer.step(**{name: [torch.ones_like(made.weight)] for name in chosen.rule.needs})


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.ones(2, dtype=torch.complex64), "params\\[0\\] is torch.complex64; allowed are float32"),
        (torch.ones(2, 2).to_sparse(), "params\\[0\\] is sparse"),
        (torch.empty(2, device="meta"), "params\\[0\\] is on meta"),
    ],
)
def test_parameters_that_cannot_be_served(tensor, message):
    with pytest.raises((TypeError, ValueError), match=message):
        optim.AdamW([torch.nn.Parameter(tensor)])


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.ones(4, 4)[:, ::2], "must be dense"),
        (torch.ones(1, 3).expand(3, 3), "params\\[0\\] is expanded: .* stride 0 in dimension 0; it must be dense"),
        (torch.ones(1).expand(3), "params\\[0\\] is expanded"),
        (torch.ones(3, 2).t(), "dimension 0 must be outermost"),
        (torch.ones([1] * 9), "rank is 9"),
    ],
)
def test_parameters_laid_out_as_no_step_can(tensor, message):
    param = torch.nn.Parameter(tensor)
    optimizer = optim.AdamW([param])
    param.grad = torch.ones(param.shape)
    with pytest.raises(ValueError, match=message):
        optimizer.step()


def test_gradients_that_no_longer_fit():
    """Torch lets the data of a parameter be replaced by any other."""
    param = torch.nn.Parameter(torch.ones(8))
    optimizer = optim.AdamW([param])
    param.grad = torch.ones(8)
    optimizer.step()
    param.data = param.data[:4]  # at the same address
    with pytest.raises(ValueError, match="the gradient of params\\[0\\] has shape \\(8,\\); it must be \\(4,\\)"):
        optimizer.step()
    param.grad = torch.ones(4)
    with pytest.raises(ValueError, match="state exp_avg of params\\[0\\] is \\(8,\\); it must be \\(4,\\)"):
        optimizer.step()
    optimizer.state.pop(param)
    optimizer.step()
    assert optimizer.state[param]["exp_avg"].shape == (4,)


def test_parameters_that_share_memory():
    memory = torch.zeros(6)
    params = [torch.nn.Parameter(memory[:4]), torch.nn.Parameter(memory[2:])]
    optimizer = optim.SGD(params)
    for param in params:
        param.grad = torch.ones(4)
    with pytest.raises(optim.InvalidArgumentError, match="params\\[1\\] overlaps params\\[0\\] in memory; give the optimizer one tensor"):
        optimizer.step()


def test_helpers_that_a_rule_cannot_have():
    with pytest.raises(optim.UnsupportedError, match="stable_weight_decay needs a rule with a second moment; sgd has none"):
        optim.SGD(model().parameters(), stable_weight_decay=0.1)
    with pytest.raises(ValueError, match="lookahead_pullback is 'back'; allowed is one of none, reset, pullback"):
        optim.SGD(model().parameters(), lookahead_pullback="back")
    with pytest.raises(TypeError, match="state_dtype is torch.int32"):
        optim.SGD(model().parameters(), state_dtype=torch.int32)


def state_of_adam():
    made = model()
    optimizer = optim.Adam(made.parameters())
    train(made, optimizer, 2)
    return optimizer.state_dict()


def broken(change):
    state = state_of_adam()
    change(state)
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["param_groups"].append({"params": []}), "groups of \\[4, 0\\] parameters; the optimizer has \\[4\\]"),
        (lambda s: s["param_groups"][0]["params"].pop(), "groups of \\[3\\]"),
        (lambda s: s["state"][1].update(exp_avg=torch.zeros(7)), "exp_avg of params\\[1\\] is \\(7,\\); it must be \\(8,\\)"),
        (lambda s: s["state"][1].update(exp_avg=3), "exp_avg of params\\[1\\] is int"),
        (lambda s: s["state"][2].pop("exp_avg"), "params\\[2\\] lacks the state exp_avg; it has exp_avg_sq"),
        (lambda s: s["param_groups"][0].update(amsgrad=True, ams_bound=True), "params\\[0\\] lacks the state max_exp_avg_sq"),
        (lambda s: s["param_groups"][0].update(lr=-1), "lr of group 0 is -1"),
        (lambda s: s["state"][1].update(step=-1), "step of state 1 is -1; allowed is 0 or more"),
        (lambda s: s["param_groups"][0].update(step=-1), "step of group 0 is -1; allowed is 0 or more"),
        (lambda s: s["state"][0].update(exp_avg=torch.zeros(5, 8)), "exp_avg of params\\[0\\] is \\(5, 8\\); it must be \\(8, 5\\)"),
        (lambda s: s["state"][0].update(exp_avg=torch.zeros(8, 5).long()), "exp_avg of params\\[0\\] is torch.int64"),
        (lambda s: s["state"][0].update(exp_avg=torch.zeros(8, 5).to_sparse()), "exp_avg of params\\[0\\] is .*torch.sparse_coo"),
        (lambda s: s["state"].update({0: 3}), "state 0 is of type int; it must be a dictionary"),
        (lambda s: s["state"].update({0: {3: 4}}), "params\\[0\\] lacks the state exp_avg, exp_avg_sq; it has 3"),
        (lambda s: s.pop("state"), "the state has no state; it has param_groups"),
        (lambda s: s.clear(), "the state has no param_groups and no state; it has nothing"),
        (lambda s: s.update(param_groups=7), "param_groups of the state is of type int"),
        (lambda s: s.update(param_groups=[[]]), "group 0 of the state is of type list"),
        (lambda s: s["param_groups"][0].pop("params"), "params of group 0 of the state is None; it must be a list"),
        (lambda s: s["param_groups"][0].update(params=[[0], 1, 2, 3]), "params of group 0"),
        (lambda s: s["param_groups"][0].update(step="x"), "step of group 0 is 'x'; a whole number is needed"),
        (lambda s: s["param_groups"][0].update(step=float("inf")), "step of group 0 is inf"),
        (lambda s: s["state"][1].update(step=torch.ones(2)), "step of state 1"),
        (lambda s: s["param_groups"][0].update(lr="fast"), "lr is 'fast'; a number is needed"),
        (lambda s: s["param_groups"][0].update({4: 5}), "group 0 of the state has the option 4"),
        (lambda s: s.update(probes="many"), "probes is 'many'"),
    ],
)
def test_refused_states_change_nothing(change, message):
    first, second = model(), model()
    one, two = optim.Adam(first.parameters()), optim.Adam(second.parameters())
    train(first, one, 3)
    train(second, two, 3)
    with pytest.raises(ValueError, match=message):
        two.load_state_dict(broken(change))
    train(first, one, 3)
    train(second, two, 3)
    assert equal(first, second)
    assert two.state_dict()["param_groups"][0]["step"] == 6


@pytest.mark.parametrize("state", [None, [], 3, "state"])
def test_what_is_no_state_dictionary(state):
    with pytest.raises(ValueError, match="the state is of type .*; it must be a dictionary"):
        optim.Adam(model().parameters()).load_state_dict(state)


def test_states_that_a_rule_does_not_have_are_dropped_with_a_warning():
    first, second = model(), model()
    one, two = optim.Adam(first.parameters()), optim.Adam(second.parameters())
    train(first, one, 2)
    second.load_state_dict(first.state_dict())
    with pytest.warns(UserWarning, match="Adam keeps the states exp_avg, exp_avg_sq; dropped are trust_ratio, weight_norm"):
        two.load_state_dict(broken(lambda s: s["state"][1].update(trust_ratio=1.0, weight_norm=torch.ones(()))))
    train(first, one, 2)
    train(second, two, 2)
    assert equal(first, second)


def test_inputs():
    made = model()
    params = list(made.parameters())
    optimizer = optim.AdaHessian(params)
    loss_of(made).backward()
    with pytest.raises(optim.InvalidArgumentError, match="hessian"):
        optimizer.step()  # neither given nor to be had from gradients without a graph
    with pytest.raises(ValueError, match="hessian has 1 tensors; the optimizer has 4 parameters"):
        optimizer.step(hessian=[torch.ones(1)])
    with pytest.raises(ValueError, match="hessian of params\\[0\\] is torch.float32 \\(1,\\)"):
        optimizer.step(hessian=[torch.ones(1)] * 4)
    with pytest.raises(TypeError, match="AdamW.step takes no hessian"):
        optim.AdamW(params).step(hessian=[])
    with pytest.raises(TypeError, match="AdaHessian.step takes no hessians; it needs hessian"):
        optimizer.step(hessians=[])


@pytest.mark.parametrize("helper", optim.HELPERS, ids=lambda helper: helper.name)
def test_helper_options_out_of_their_range_are_refused(helper):
    bounds = [(helper.minimum, -1), (helper.maximum, 1)]
    wrong = [float("nan")] + [bound + beyond for bound, beyond in bounds if bound is not None]
    for value in wrong if helper.kind == "real" else wrong[1:]:
        if value != 0:  # stands for the default
            with pytest.raises(ValueError, match=helper.name):
                optim.SGD(model().parameters(), **{helper.name: value})
