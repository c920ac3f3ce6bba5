"""Optimizers of NumPy arrays and DLPack tensors."""

import inspect

import numpy
import pytest
import torch
from support import DLPack, create

import optim
from optim import arrays

CLASS_LIST = list(arrays.CLASSES.values())
every_class = pytest.mark.parametrize("chosen", CLASS_LIST, ids=lambda c: c.__name__)


def start(dtype=numpy.float32):
    random = numpy.random.default_rng(5)
    return [random.standard_normal(shape).astype(dtype) for shape in [(4, 3), (5,), ()]]


def gradients(step, dtype=numpy.float32):
    random = numpy.random.default_rng(100 + step)
    return [random.standard_normal(shape).astype(dtype) for shape in [(4, 3), (5,), ()]]


def inputs(chosen, step):
    return {name: [numpy.abs(g) for g in gradients(step)] for name in chosen.rule.needs}


def run(optimizer, first, last):
    for step in range(first, last):
        optimizer.step(gradients(step), **inputs(type(optimizer), step))


@every_class
def test_equal_to_the_torch_class(chosen):
    ours = start()
    run(create(chosen, ours), 0, 6)
    params = [torch.nn.Parameter(torch.tensor(a)) for a in start()]
    theirs = create(getattr(optim, chosen.__name__), params)
    for step in range(6):
        for param, gradient in zip(params, gradients(step)):
            param.grad = torch.tensor(gradient)
        theirs.step(**{k: [torch.tensor(a) for a in v] for k, v in inputs(chosen, step).items()})
    assert all((p.detach().numpy() == a).all() for p, a in zip(params, ours))
    assert inspect.signature(chosen).parameters.keys() <= inspect.signature(type(theirs)).parameters.keys()
    assert chosen.rule.paper in chosen.__doc__


@every_class
def test_resuming_equals_never_having_stopped(chosen):
    straight, stopped = start(), start()
    run(create(chosen, straight), 0, 9)
    first = create(chosen, stopped)
    run(first, 0, 4)
    second = create(chosen, [array.copy() for array in stopped], lr=0.3)
    second.load_state_dict(first.state_dict())
    for array, other in zip(second.param_groups[0]["params"], stopped):
        array[...] = other  # a new optimizer may project its parameters
    run(second, 4, 9)
    assert all((a == b).all() for a, b in zip(straight, second.param_groups[0]["params"]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_dlpack(dtype):
    first = torch.randn(4, 3).to(dtype)
    second = torch.nn.Parameter(first.clone())
    one, two = arrays.AdamW([DLPack(first)], lr=0.1), optim.AdamW([second], lr=0.1)
    for _ in range(4):
        gradient = torch.randn(4, 3).to(dtype)
        one.step([DLPack(gradient)])
        second.grad = gradient
        two.step()
    assert torch.equal(first, second.detach())


def test_dlpack_of_strides_and_of_torch_tensors():
    memory = torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last)
    optimizer = arrays.SGD([DLPack(memory), torch.zeros(2)], lr=1.0)
    optimizer.step([DLPack(torch.ones_like(memory)), torch.ones(2)])
    assert torch.equal(memory, torch.full_like(memory, -1))
    with pytest.raises(ValueError, match="must have"):
        optimizer.step([DLPack(torch.ones(2, 3, 4, 4)), None])


def test_groups_missing_gradients_and_options():
    a, b = start()[:2]
    optimizer = arrays.SGD([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=1.0)
    before = a.copy(), b.copy()
    optimizer.step([numpy.ones_like(a), None])
    assert numpy.allclose(a, before[0] - 0.5) and (b == before[1]).all()
    optimizer.param_groups[1]["lr"] = 0.25
    optimizer.step([None, numpy.ones_like(b)])
    assert numpy.allclose(b, before[1] - 0.25)


def test_gradients_of_another_dtype_than_the_parameters():
    a, b = start()[0], start()[0]
    one, two = arrays.AdamW([a]), arrays.AdamW([b])
    for step in range(6):
        half = gradients(step)[0].astype(numpy.float16)
        one.step([half if step != 3 else half.astype(numpy.float32)])
        two.step([half.astype(numpy.float32)])
    assert (a == b).all()


def test_fortran_order_of_a_vector_and_transposed_states():
    array = numpy.asfortranarray(numpy.ones((1, 5), numpy.float32))
    optimizer = arrays.Adam([array], lr=0.5)
    optimizer.step([numpy.ones((1, 5), numpy.float32)])
    assert numpy.allclose(array, 0.5)


def read_only():
    array = numpy.ones(3, numpy.float32)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ([read_only()], "params\\[0\\] is read-only"),
        ([numpy.ones(3, numpy.int32)], "params\\[0\\] is int32; allowed are float32"),
        ([numpy.ones(3, ">f4")], "params\\[0\\] is >f4"),
        ([numpy.ones(6, numpy.float32)[::2]], "must be dense"),
        ([[1.0]], "params\\[0\\] is a list; a torch tensor"),
        ([numpy.ones(2, numpy.float32), numpy.ones(2)], "must be all F64 or none"),
    ],
)
def test_arrays_that_cannot_be_served(params, message):
    with pytest.raises((TypeError, ValueError), match=message):
        arrays.SGD(params)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "grads has 0 arrays; the optimizer has 1"),
        ([numpy.ones((3, 4), numpy.float32)], "grads\\[0\\] is \\(3, 4\\) on .*; it must be \\(4, 3\\)"),
        ([numpy.asfortranarray(numpy.ones((4, 3), numpy.float32))], "has strides \\(1, 4\\) in elements; it must have \\(3, 1\\)"),
        ([numpy.ones((4, 3))], "F64"),
    ],
)
def test_gradients_that_cannot_be_served(given, message):
    array = start()[0]
    before = array.copy()
    optimizer = arrays.SGD([array], lr=1.0)
    with pytest.raises((TypeError, ValueError), match=message):
        optimizer.step(given)
    assert (array == before).all()
    optimizer.step([numpy.ones_like(array)])
    assert numpy.allclose(array, before - 1)


def test_refused_states_change_nothing():
    array = start()[0]
    optimizer = arrays.Adam([array])
    optimizer.step([numpy.ones_like(array)])
    state = optimizer.state_dict()
    for change, message in [
        (lambda s: s["state"][0].pop("exp_avg"), "params\\[0\\] has the states"),
        (lambda s: s["state"].pop(), "0 parameters"),
        (lambda s: s["param_groups"][0].update(lr=-1), "lr of group 0 is -1"),
        (lambda s: s["state"][0].update(exp_avg=numpy.zeros((3, 4), numpy.float32)), "params\\[0\\] has the states .*\\(4, 3\\)"),
        (lambda s: s["state"][0].update(exp_avg=numpy.zeros((4, 3), object)), "object"),
        (lambda s: s["state"][0].update(exp_avg=None), "NoneType"),
        (lambda s: s["state"].__setitem__(0, 3), "state 0 is of type int"),
        (lambda s: s.update(state={}), "must be a list"),
        (lambda s: s.pop("param_groups"), "no param_groups"),
        (lambda s: s.pop("counts"), "counts of the state is None"),
        (lambda s: s.update(counts=[]), "counts of the state is \\[\\]; it must be a list of the counts of 1"),
        (lambda s: s.update(counts=[3]), "counts\\[0\\] of the state is 3"),
        (lambda s: s.update(counts=[(None, 0, True)]), "counts\\[0\\]\\[0\\] is None; a whole number"),
        (lambda s: (s.update(counts=[(-1, 0, True)]), s["state"][0]["exp_avg"].fill(9)), "counts\\[0\\]\\[0\\] is -1"),
        (lambda s: s["param_groups"][0].update(lr="fast"), "lr is 'fast'"),
    ]:
        broken = optimizer.state_dict()
        change(broken)
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(broken)
    after = optimizer.state_dict()
    assert after["param_groups"] == state["param_groups"]
    assert all((after["state"][0][name] == value).all() for name, value in state["state"][0].items())
