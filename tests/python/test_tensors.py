"""Tensors of all kinds that torch programs have: moved, half precision, channels last, frozen, empty."""

import collections
import copy
import pickle

import pytest
import torch
from support import CLASS_LIST, create, difference, equal, loss_of, model, train

import optim


def test_gradients_whose_storage_moved():
    first, second = model(), model()
    one, two = optim.AdamW(first.parameters()), optim.AdamW(second.parameters())
    for _ in range(6):
        train(first, one, 1)
        loss_of(second).backward()
        for param in second.parameters():
            param.grad = param.grad.clone()  # never where it was
        two.step()
        two.zero_grad(set_to_none=True)
    assert equal(first, second)


def test_gradients_with_a_pending_negation_among_many():
    params = [torch.zeros(3, requires_grad=True) for _ in range(1000)]
    optimizer = optim.SGD(params, lr=1.0)
    for step in range(1, 4):
        former = [param.grad for param in params]  # so that the next lie elsewhere
        for param in params:
            param.grad = torch._neg_view(torch.ones(3))
        optimizer.step()
        del former
        assert all(bool((param == step).all()) for param in params)


def test_parameters_whose_storage_moved():
    first, second = model(), model()
    one, two = optim.AdamW(first.parameters()), optim.AdamW(second.parameters())
    for _ in range(4):
        train(first, one, 1)
        train(second, two, 1)
        old = [param.data for param in second.parameters()]
        for param in second.parameters():
            param.data = param.data.clone()
        for tensor in old:
            tensor.fill_(float("nan"))
    assert equal(first, second)


def test_a_parameter_that_moves_to_where_its_gradient_was():
    param = torch.nn.Parameter(torch.ones(3))
    optimizer = optim.SGD([param], lr=1.0)
    param.grad = torch.ones(3)
    optimizer.step()
    before, param.grad = param.grad, None
    param.data = before
    param.grad = torch.ones(3)
    optimizer.step()
    assert torch.equal(param.detach(), torch.zeros(3))


def test_a_state_that_is_replaced_is_stepped_where_it_is():
    first, second = model(), model()
    one, two = torch.optim.Adam(first.parameters()), optim.Adam(second.parameters())
    for step in range(4):
        train(first, one, 1)
        train(second, two, 1)
        for made, optimizer in ((first, one), (second, two)):
            state = optimizer.state[made[0].weight]
            state["exp_avg"] = state["exp_avg"].clone() if step % 2 else torch.zeros_like(state["exp_avg"])
    assert difference(first, second) < 1e-6
    assert two._binding.states is two.state and type(copy.deepcopy(two.state)) is collections.defaultdict


def test_a_dictionary_of_states_is_looked_through_only_after_a_change():
    params = [torch.nn.Parameter(torch.ones(2)) for _ in range(3)]
    optimizer = optim.Adam(params)
    for param in params:
        param.grad = torch.ones(2)
    optimizer.step()
    looks = []
    take = optimizer._binding._takes
    optimizer._binding._takes = lambda states: looks.append(1) or take(states)
    optimizer.step()
    assert not looks
    optimizer.state[params[0]]["note"] = "mine"
    optimizer.step()
    optimizer.step()
    assert len(looks) == 1 and optimizer.state[params[0]]["note"] == "mine"


def test_parameters_that_change_places_with_others():
    first, second = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer = optim.SGD([first], lr=1.0)
    for param in (first, second):
        param.grad = torch.ones(3)
    optimizer.step()
    optimizer.param_groups[0]["params"][0] = second
    optimizer.step()
    assert torch.equal(first.detach(), torch.zeros(3)) and torch.equal(second.detach(), torch.zeros(3))


def test_a_model_that_changes_dtype_keeps_its_states():
    first, second = model(), model()
    one, two = torch.optim.AdamW(first.parameters()), optim.AdamW(second.parameters())
    train(first, one, 3)
    train(second, two, 3)
    second.double()
    (second(torch.ones(1, 5, dtype=torch.float64)) ** 2).sum().backward()
    two.step()
    (first(torch.ones(1, 5)) ** 2).sum().backward()
    one.step()
    assert difference(first.double(), second) < 1e-6
    assert all(t.dtype == torch.float64 for state in two.state.values() for t in state.values())
    assert {group["step"] for group in two.state_dict()["param_groups"]} == {4}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("state_dtype", [None, torch.bfloat16])
def test_half_precision(dtype, state_dtype):
    param = torch.nn.Parameter(torch.full((4, 4), 1.0, dtype=dtype))
    optimizer = optim.AdamW([param], lr=0.25, weight_decay=0, state_dtype=state_dtype)
    param.grad = torch.full((4, 4), 2.0, dtype=dtype)
    optimizer.step()
    assert torch.allclose(param.float(), torch.full((4, 4), 0.75), atol=1e-3)
    wanted = torch.float32 if state_dtype is None else state_dtype
    assert optimizer.state[param]["exp_avg"].dtype == wanted
    loaded = optim.AdamW([param], state_dtype=state_dtype)
    loaded.load_state_dict(optimizer.state_dict())
    assert torch.equal(loaded.state[param]["exp_avg"], optimizer.state[param]["exp_avg"])
    assert loaded.state[param]["exp_avg"].dtype == wanted


@pytest.mark.parametrize("options", [{"master_weights": True}, {"stochastic_rounding_seed": 3}, {}], ids=str)
def test_steps_smaller_than_half_a_unit_of_bfloat16(options):
    param = torch.nn.Parameter(torch.ones(4096, dtype=torch.bfloat16))
    other = torch.nn.Parameter(torch.ones(3))  # float32: stepped as ever
    optimizer = optim.SGD([param, other], lr=2**-12, **options)
    for _ in range(64):
        for p in (param, other):
            p.grad = -torch.ones_like(p)
        optimizer.step()
        optimizer = pickle.loads(pickle.dumps(optimizer))
        param, other = optimizer.param_groups[0]["params"]
    assert torch.allclose(other, torch.tensor(1 + 2.0**-6))
    moved = (param.double().mean() - 1) * 2**6
    assert abs(moved - (1 if options else 0)) < 0.1
    masters = [p for p in (param, other) if "master_param" in optimizer.state[p]]
    assert len(masters) == ("master_weights" in options)
    assert all(optimizer.state[p]["master_param"].dtype == torch.float32 for p in masters)


def test_storage_options_are_checked():
    for dtype, options, words in (
        (torch.float64, {"master_weights": True}, "F16 and BF16"),
        (torch.float16, {"stochastic_rounding_seed": 1}, "BF16"),
        (torch.bfloat16, {"stochastic_rounding_seed": -1}, "-1"),
        (torch.bfloat16, {"stochastic_rounding_seed": 1, "master_weights": True}, "one of them"),
    ):
        with pytest.raises(ValueError, match=words):
            param = torch.nn.Parameter(torch.ones(3, dtype=dtype))
            optimizer = optim.SGD([param], **options)
            param.grad = torch.ones_like(param)
            optimizer.step()


@pytest.mark.parametrize("chosen", [c for c in CLASS_LIST if c.rule.shape != "matrix"], ids=lambda c: c.__name__)
def test_channels_last_is_equal_to_row_major(chosen):
    values, gradient = torch.randn(4, 3, 5, 5), torch.randn(4, 3, 5, 5)
    params = [torch.nn.Parameter(values.clone(memory_format=f)) for f in (torch.contiguous_format, torch.channels_last)]
    for param in params:
        # what sums over neighbours in memory needs them to be those of a row
        off = {hyper.name: "none" for hyper in chosen.rule.hypers if "none" in hyper.words}
        optimizer = create(chosen, [param], **off)
        for step in range(8):
            param.grad = gradient.clone(memory_format=torch.preserve_format).to(memory_format=torch.contiguous_format) * (step + 1)
            if step != 1:  # a gradient laid out as the parameter, and one that is not
                param.grad = torch.empty_like(param).copy_(param.grad)
            inputs = {name: [torch.ones_like(param)] for name in chosen.rule.needs}
            optimizer.step(**inputs)
    assert torch.allclose(params[0], params[1], rtol=1e-5, atol=1e-7)
    assert not torch.equal(params[0], values)


def test_frozen_parameters_cost_nothing_until_they_are_thawed():
    made = model()
    made[0].weight.requires_grad_(False)
    optimizer = optim.AdamW(made.parameters())
    train(made, optimizer, 2)
    assert made[0].weight not in optimizer.state
    frozen = made[0].weight.detach().clone()
    made[0].weight.requires_grad_(True)
    moment = optimizer.state[made[2].weight]["exp_avg"]
    train(made, optimizer, 1)
    assert not torch.equal(frozen, made[0].weight)
    assert optimizer.state[made[2].weight]["exp_avg"] is moment


def test_small_shapes_and_float64_beside_float32():
    shapes = [(), (0,), (1,), (3, 0), (2, 1, 3)]
    params = [torch.nn.Parameter(torch.ones(shape)) for shape in shapes]
    params.append(torch.nn.Parameter(torch.ones(2, dtype=torch.float64)))
    optimizer = optim.Adam(params, lr=0.5)
    for param in params:
        param.grad = torch.ones_like(param)
    optimizer.step()
    for param in params:
        assert torch.allclose(param, torch.full_like(param, 0.5), atol=1e-6)


def test_a_dimension_of_one_may_have_any_stride():
    param = torch.nn.Parameter(torch.ones(4, 1))
    optimizer = optim.SGD([param], lr=1.0)
    param.grad = torch.ones(1, 4).t()
    assert param.grad.stride() != param.stride()
    optimizer.step()
    assert torch.equal(param.detach(), torch.zeros(4, 1))


def test_helpers_are_switched_by_keywords():
    first, second = model(), model()
    one = torch.optim.SGD(first.parameters(), lr=1.0)
    two = optim.SGD(second.parameters(), lr=1.0, clip_norm=0.1)
    loss_of(first).backward()
    torch.nn.utils.clip_grad_norm_(first.parameters(), 0.1)
    one.step()
    loss_of(second).backward()
    two.step()
    assert difference(first, second) < 1e-6


def test_steps_of_two_threads():
    from threading import Thread

    made = [model() for _ in range(4)]

    def work(network):
        for _ in range(20):  # engines are used, plans made and freed in all threads at once
            train(network, optim.AdamW(network.parameters()), 1)
            optim.functions.clip_grad_norm(list(network.parameters()), 2.0)

    threads = [Thread(target=work, args=(network,)) for network in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(equal(made[0], other) for other in made[1:])


def test_training_goes_on_in_a_forked_process():
    import os

    first, second = model(), model()
    one, two = optim.AdamW(first.parameters()), optim.AdamW(second.parameters())
    train(first, one, 4)
    train(second, two, 2)
    torch.set_num_threads(1)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        train(second, two, 2)
        os.write(write, b"1" if equal(first, second) else b"0")
        os._exit(0)
    assert os.read(read, 1) == b"1"
    os.waitpid(child, 0)


def test_num_threads():
    with pytest.raises(ValueError, match="threads is -1"):
        optim.set_num_threads(-1)
    made = []
    for threads in (1, 3, 0):
        optim.set_num_threads(threads)
        made.append(model())
        train(made[-1], optim.Lamb(made[-1].parameters()), 5)
    assert equal(made[0], made[1]) and equal(made[0], made[2])
