"""How states and 16-bit parameters are stored: dtypes, master weights and stochastic rounding, of torch tensors and of arrays."""

import copy

import numpy
import pytest
import torch
from support import CLASS_LIST, DLPack, create

import optim
from optim import arrays

every_class = pytest.mark.parametrize("chosen", CLASS_LIST, ids=lambda c: c.__name__)
SHAPES = [(4, 3), (5,)]
STORAGES = [{"master_weights": True}, {"stochastic_rounding_seed": 3}, {"state_dtype": torch.bfloat16}]


def values(seed, dtype):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in SHAPES]


def start(dtype=torch.bfloat16):
    return [torch.nn.Parameter(value) for value in values(5, dtype)]


def run(optimizer, first, last):
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for step in range(first, last):
        for param, gradient in zip(params, values(100 + step, torch.bfloat16)):
            param.grad = gradient.to(param.dtype)
        optimizer.step(**{name: [p.grad.abs() for p in params] for name in optimizer.rule.needs})


@every_class
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_master_weights_switched_on_in_resuming_are_the_parameters(chosen, dtype):
    params = start(dtype)
    before = create(chosen, params)
    run(before, 0, 3)
    wide = [torch.nn.Parameter(p.detach().float()) for p in params]
    expected = create(chosen, wide)
    expected.load_state_dict(before.state_dict())
    with torch.no_grad():
        for param, kept in zip(wide, params):
            param.copy_(kept)
    run(expected, 3, 6)

    resumed = [torch.nn.Parameter(torch.zeros_like(p)) for p in params]
    optimizer = create(chosen, resumed, master_weights=True)
    optimizer.load_state_dict(before.state_dict())
    with torch.no_grad():  # the model is loaded after the optimizer
        for param, kept in zip(resumed, params):
            param.copy_(kept)
    optimizer = copy.deepcopy(optimizer)
    run(optimizer, 3, 6)
    for param, state in zip(wide, optimizer.state.values()):
        assert torch.equal(param.detach(), state["master_param"])


@every_class
@pytest.mark.parametrize("storage", STORAGES, ids=str)
def test_arrays_are_stored_as_torch_tensors_are(chosen, storage):
    params = start()
    theirs = create(chosen, params, **storage)
    memory = values(5, torch.bfloat16)
    ours = create(getattr(arrays, chosen.__name__), [DLPack(tensor) for tensor in memory], **storage)
    for step in range(4):
        run(theirs, step, step + 1)
        gradients = values(100 + step, torch.bfloat16)
        inputs = {name: [DLPack(g.abs()) for g in gradients] for name in chosen.rule.needs}
        ours.step([DLPack(g) for g in gradients], **inputs)
    assert all(torch.equal(param.detach(), array) for param, array in zip(params, memory))
    assert ours.bytes_per_step() == theirs.bytes_per_step() > 0


def _steps(optimizer, count, dtype):
    for _ in range(count):
        optimizer.step([numpy.full((4, 3), 0.25, dtype)])


@pytest.mark.parametrize("state_dtype", [None, "bfloat16", numpy.float16])
def test_arrays_resume_with_other_storage(state_dtype):
    array = numpy.linspace(1, 2, 12, dtype=numpy.float16).reshape(4, 3)
    first = arrays.AdamW([array], state_dtype=state_dtype)
    _steps(first, 3, numpy.float16)
    copied = array.copy()
    second = arrays.AdamW([copied], state_dtype=state_dtype, master_weights=True)
    copied[...] = array
    second.load_state_dict(first.state_dict())
    kept = second.state_dict()["state"][0]
    assert (numpy.frombuffer(kept["master_param"], numpy.float32).reshape(4, 3) == array).all()
    wide = array.astype(numpy.float32)
    third = arrays.AdamW([wide], state_dtype=state_dtype)
    third.load_state_dict(first.state_dict())
    _steps(second, 2, numpy.float16)
    _steps(third, 2, numpy.float16)
    assert (wide.astype(numpy.float16) == copied).all()
    assert type(kept["exp_avg"]) is (bytes if state_dtype == "bfloat16" else numpy.ndarray)
    resumed = arrays.AdamW([copied.copy()], state_dtype=state_dtype, master_weights=True)
    resumed.load_state_dict(second.state_dict())
    again = resumed.state_dict()["state"][0]
    assert all(bytes(again[name]) == bytes(value) for name, value in second.state_dict()["state"][0].items())


def test_master_weights_of_bfloat16_arrays_are_taken_over():
    tensor = torch.tensor([1.0, -0.5, 3e-39, 2.0**100]).to(torch.bfloat16)
    first = arrays.SGD([DLPack(tensor)], momentum=0.5)
    second = arrays.SGD([DLPack(tensor)], momentum=0.5, master_weights=True)
    state = first.state_dict()
    second.state[0]["master_param"][...] = 7
    second.load_state_dict(state)
    assert (second.state[0]["master_param"] == tensor.float().numpy()).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state_dtype": "int32"}, "state_dtype is int32; allowed are float32"),
        ({"state_dtype": torch.int8}, "state_dtype is torch.int8; allowed are float32"),
        ({"stochastic_rounding_seed": 2**64}, "stochastic_rounding_seed is 18446744073709551616; allowed is 0 to"),
        ({"stochastic_rounding_seed": 1}, "BF16"),
        ({"stochastic_rounding_seed": 1, "master_weights": True}, "one of them"),
    ],
)
def test_storage_that_is_not_allowed(options, message):
    for make in (lambda: arrays.SGD([numpy.ones(3, numpy.float16)], **options), lambda: _stepped(start(torch.float16), options)):
        with pytest.raises((TypeError, ValueError), match=message):
            make()


def _stepped(params, options):
    optimizer = optim.SGD(params, **options)
    run(optimizer, 0, 1)


def test_bytes_of_a_step():
    """AdamW reads p, g, m and v and writes p, m and v; by master weights it reads g, m, v and w and writes p, m, v and w."""
    count = sum(numpy.prod(shape) for shape in SHAPES)
    for dtype, options, expected in [
        (torch.float32, {}, 7 * 4),
        (torch.float64, {}, 7 * 8),
        (torch.bfloat16, {}, 3 * 2 + 4 * 4),
        (torch.bfloat16, {"master_weights": True}, 2 * 2 + 6 * 4),
    ]:
        optimizer = optim.AdamW(start(dtype), **options)
        run(optimizer, 0, 1)
        assert optimizer.bytes_per_step() == expected * count
    optimizer.param_groups[0]["params"][1].grad = None
    assert optimizer.bytes_per_step() == expected * 12
