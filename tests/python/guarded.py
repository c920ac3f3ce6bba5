"""Programs that change their tensors between steps, over memory that tells: every tensor ends, or begins, at a page that cannot be
touched, and one that is freed becomes such a page. A read or a write that is not of a living tensor ends the process.

    python3 guarded.py    # runs each in a process of its own and prints its name, where tensors lie, and how it ended"""

import collections
import ctypes
import math
import mmap
import os
import sys
import traceback
import weakref
from pathlib import Path

sys.path.insert(0, os.environ.get("OPTIM_MODULE", str(Path(__file__).resolve().parents[2] / "bindings" / "python")))

import numpy
import torch

import optim
from optim import arrays, functions

PLACES = ("before a page", "behind a page")
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_NUMPY = {torch.float32: "f4", torch.float64: "f8", torch.float16: "f2", torch.bfloat16: "u2", torch.int32: "i4"}
_own_empty, _own_zeros = torch.empty_strided, numpy.zeros


class Memory:
    """Memory between two pages that cannot be touched, of which it touches one. Addresses are never used twice."""

    place = PLACES[0]

    def __new__(cls, size):
        page = mmap.PAGESIZE
        inner = max(page, math.ceil(size / page) * page)
        start = _libc.mmap(None, inner + 2 * page, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        _libc.mprotect(start + page, inner, mmap.PROT_READ | mmap.PROT_WRITE)
        ctypes.memset(start + page, 0xFF, inner)  # not a number in every type
        address = start + page + (inner - size if cls.place == PLACES[0] else 0)
        memory = (ctypes.c_char * size).from_address(address)
        weakref.finalize(memory, _libc.mprotect, start + page, inner, 0)
        return memory


def empty(*shape, stride=None, dtype=torch.float32):
    elements = math.prod(shape)
    if elements == 0:
        return _own_empty(shape, stride or (0,) * len(shape), dtype=dtype)
    flat = torch.frombuffer(Memory(elements * torch.tensor([], dtype=dtype).element_size()), dtype=dtype)
    return flat.as_strided(shape, stride) if stride else flat.view(shape)


def full(value, *shape, dtype=torch.float32):
    return empty(*shape, dtype=dtype).fill_(value)


def array(values, dtype="f4"):
    values = numpy.asarray(values, dtype)
    made = numpy.frombuffer(Memory(max(values.nbytes, 1)), values.dtype, values.size).reshape(values.shape)
    made[...] = values
    return made


def _empty_strided(shape, stride, dtype=None, device=None, **_):
    return empty(*shape, stride=tuple(stride), dtype=dtype or torch.float32)


def _empty(*shape, dtype=None, device=None, **_):
    shape = shape[0] if shape and not isinstance(shape[0], int) else shape
    return empty(*shape, dtype=dtype or torch.float32)


def guard():
    """Has the module's own tensors, states and copies, in such memory, too."""
    torch.empty_strided, torch.empty = _empty_strided, _empty
    numpy.zeros = lambda shape, dtype="f8": array(_own_zeros(shape, dtype), dtype)


def close(found, expected):
    found = torch.as_tensor(found).detach().float().flatten()
    assert torch.allclose(found, torch.full_like(found, expected), atol=1e-2), f"{found.tolist()} instead of {expected}"


def refused(function, *words):
    try:
        function()
    except (ValueError, TypeError) as error:
        assert all(word in str(error) for word in words), f"{error} does not say {words}"
        return
    raise AssertionError(f"not refused; expected {words}")


def parameter(value=1.0, shape=(5, 3), dtype=torch.float32):
    param = torch.nn.Parameter(full(value, *shape, dtype=dtype))
    param.grad = full(1.0, *shape, dtype=dtype)
    return param


def started(make=optim.Adam, steps=3, count=1, **options):
    params = [parameter() for _ in range(count)]
    optimizer = make(params, lr=0.1, **options)
    for _ in range(steps):
        optimizer.step()
    for param in params:
        param.data.fill_(1.0)
        param.grad = full(-1.0, *param.shape)
    return params, optimizer


_HELPERS = set(globals())

# ---- programs -------------------------------------------------------------------------------------------------------------


def states_are_cleared():
    for clear in (
        lambda o, p: o.state.clear(),
        lambda o, p: o.state.pop(p),
        lambda o, p: o.state[p].clear(),
        lambda o, p: o.state.update({p: {}}),
        lambda o, p: setattr(o, "state", collections.defaultdict(dict)),
    ):
        (param,), optimizer = started()
        clear(optimizer, param)
        optimizer.step()
        close(param, 1.1)
        assert sorted(optimizer.state[param]) == ["exp_avg", "exp_avg_sq"]


def the_states_of_one_of_two_are_popped():
    params, optimizer = started(optim.SGD, count=2, momentum=0.9)
    optimizer.state.pop(params[0])
    optimizer.step()
    close(params[0], 1.1)
    close(params[1], 1 + 0.1 * (1 - 0.9 * 2.71))


def states_are_replaced():
    for replace in (
        lambda state: state.update(momentum_buffer=full(0.0, 5, 3)),
        lambda state: state.update(momentum_buffer=full(0.0, 5, 3, dtype=torch.float64)),
        lambda state: state["momentum_buffer"].zero_(),
        lambda state: setattr(state["momentum_buffer"], "data", full(0.0, 5, 3)),
        lambda state: state["momentum_buffer"].set_(full(0.0, 5, 3)),
    ):
        (param,), optimizer = started(optim.SGD, momentum=0.9)
        replace(optimizer.state[param])
        for _ in range(2):
            optimizer.step()
        close(param, 1.29)
        close(optimizer.state[param]["momentum_buffer"], -1.9)


def states_are_replaced_by_what_does_not_fit():
    for wrong in (full(0.0, 3, 5), full(0.0, 15), full(0.0, 5, 3, dtype=torch.int32), full(0.0, 2), torch.ones(5, 3).to_sparse(), 3):
        (param,), optimizer = started(optim.SGD, momentum=0.9)
        right = optimizer.state[param]["momentum_buffer"]
        optimizer.state[param]["momentum_buffer"] = wrong
        for _ in range(2):
            refused(optimizer.step, "momentum_buffer of params[0]")
        close(param, 1.0)
        optimizer.state[param]["momentum_buffer"] = right
        optimizer.step()


def a_state_goes_to_a_new_parameter():
    (param,), optimizer = started(optim.SGD, momentum=0.9)
    state = optimizer.state.pop(param)
    state["momentum_buffer"] = full(10.0, 5, 3)
    fresh = parameter()
    optimizer.param_groups[0]["params"][0] = fresh
    optimizer.state[fresh] = state
    del param
    optimizer.step()
    close(fresh, 0.0)


def a_dictionary_of_the_users_own_is_seen():
    (param,), optimizer = started(optim.SGD, momentum=0.9)
    mine = {"momentum_buffer": full(0.0, 5, 3)}
    optimizer.state[param] = mine
    optimizer.step()
    close(param, 1.1)
    mine["momentum_buffer"] = full(-9.0, 5, 3)
    optimizer.step()
    close(param, 1.1 + 0.1 * 9.1)


def gradients_of_other_kinds():
    for gradient in (
        full(-1.0, 5, 3, dtype=torch.float16),
        full(-1.0, 5, 3, dtype=torch.bfloat16),
        full(-1.0, 5, 3, dtype=torch.float64),
        full(-1.0, 1).expand(5, 3),
        full(-1.0, 3, 5).t(),
        torch._neg_view(full(1.0, 5, 3)),
    ):
        (param,), optimizer = started(optim.SGD)
        param.grad.data = gradient
        del gradient
        optimizer.step()
        close(param, 1.1)


def gradients_that_are_refused():
    for gradient, word in (
        (full(1.0, 3, 5), "(3, 5); it must be (5, 3)"),
        (full(1.0, 15), "(15,)"),
        (full(1.0, 2), "(2,)"),
        (full(1, 5, 3, dtype=torch.int32), "torch.int32"),
    ):
        (param,), optimizer = started(optim.SGD)
        param.grad.data = gradient
        refused(optimizer.step, "the gradient of params[0]", word)
        close(param, 1.0)


def one_gradient_of_many_is_of_another_kind():
    params, optimizer = started(optim.SGD, count=900)
    params[700].grad.data = full(-1.0, 5, 3, dtype=torch.float16)
    optimizer.step()
    close(torch.cat([p.detach() for p in params]), 1.1)
    params[700].grad.data = full(-1.0, 3, 5)
    refused(optimizer.step, "params[700]")


def parameters_are_given_other_memory():
    for change in (
        lambda p: p.data.clone(),
        lambda p: full(1.0, 5, 3),
        lambda p: full(1.0, 5, 3, dtype=torch.float64),
        lambda p: full(1.0, 5, 3, dtype=torch.bfloat16),
        lambda p: full(1.0, 3, 5).t().contiguous(),
    ):
        (param,), optimizer = started(optim.SGD, momentum=0.9)
        optimizer.state[param]["momentum_buffer"].zero_()
        param.data = change(param)
        optimizer.step()
        close(param, 1.1)


def parameters_become_smaller():
    for make in (lambda p: full(1.0, 2, 3), lambda p: p.data[:2], lambda p: p.data.view(15), lambda p: full(1.0, 15)):
        (param,), optimizer = started(optim.SGD, momentum=0.9)
        param.data = make(param)
        refused(optimizer.step, "params[0]")
        optimizer.state.clear()
        param.grad = full(-1.0, *param.shape)
        optimizer.step()
        close(param, 1.1)


def twins_and_overlaps():
    first, second = parameter(), parameter()
    second.data = first.data
    optim.SGD([first, second], lr=0.1).step()
    close(first, 0.8)
    refused(optim.SGD([first, first], lr=0.1).step, "params[1]", "params[0]", "once")
    memory = full(1.0, 6)
    parts = [torch.nn.Parameter(memory[:4]), torch.nn.Parameter(memory[2:])]
    for part in parts:
        part.grad = full(1.0, 4)
    refused(optim.SGD(parts, lr=0.1).step, "params[1]", "params[0]", "give")
    close(memory, 1.0)
    first.grad = first.data
    optim.SGD([first], lr=0.5).step()
    close(first, 0.4)


def sam_restores_what_there_is():
    for change in (lambda p: p.data.clone(), lambda p: full(7.0, 5, 3), lambda p: p.data.double()):
        param = parameter()
        optimizer = optim.SAM([param], optim.SGD, lr=0.1, rho=0.5)
        for _ in range(2):
            param.data = full(1.0, 5, 3)
            param.grad = full(1.0, 5, 3)
            optimizer.first_step(zero_grad=True)
            param.grad = None
            param.data = change(param)
            param.grad = full(1.0, 5, 3, dtype=param.dtype)
            optimizer.second_step()
            close(param, 0.9)
    param.grad = full(1.0, 5, 3, dtype=param.dtype)
    optimizer.first_step()
    param.data = full(7.0, 15)
    refused(optimizer.restore, "params[0]", "(5, 3)", "(15,)")


def inputs_of_other_kinds():
    (param,), optimizer = started(optim.AdaHessian, steps=0)
    for wrong in (full(1.0, 5, 3, dtype=torch.float16), full(1.0, 3, 5), full(1.0, 2)):
        refused(lambda: optimizer.step(hessian=[wrong]), "hessian of params[0]")
    optimizer.step(hessian=[full(1.0, 1).expand(5, 3)])
    optimizer.step(hessian=[torch._neg_view(full(-1.0, 5, 3))])
    assert torch.isfinite(param).all()


def functions_of_expanded_tensors():
    def wide():
        return full(2.0, 1).expand(4, 4)

    def row():
        return full(2.0, 4).expand(4, 4)

    def dense():
        return full(2.0, 4, 4)

    one, flag = full(1.0, 1), full(0.0, 1)
    for bad in (wide, row, lambda: full(2.0, 1).expand(4), lambda: torch._neg_view(dense())):
        for call in (
            lambda x: functions.unscale([x], one, flag),
            lambda x: functions.clip_grad_value([x], 1.0),
            lambda x: functions.clip_grad_norm([x], 1.0),
            lambda x: functions.agc([x], [dense()]),
            lambda x: functions.agc([dense()], [x]),
            lambda x: functions.centralize([x]),
            lambda x: functions.normalize([x]),
            lambda x: functions.norm_loss([x], 0.1, 0.1),
            lambda x: functions.stable_weight_decay([x], [dense()], 0.1, 0.1, 0.9, 1),
            lambda x: functions.stable_weight_decay([dense()], [x], 0.1, 0.1, 0.9, 1),
            lambda x: functions.lookahead([x], [dense()]),
            lambda x: functions.lookahead([dense()], [x]),
            lambda x: functions.softplus([x]),
            lambda x: functions.unit_norm(x),
            lambda x: functions.rademacher([x]),
            lambda x: functions.inverse_root([x], [dense()], 2),
            lambda x: functions.inverse_root([dense()], [x], 2),
            lambda x: functions.coupled_newton([x], [dense()], 2),
            lambda x: functions.sam_perturb([x], [dense()], [dense()]),
            lambda x: functions.sam_perturb([dense()], [x], [dense()]),
            lambda x: functions.sam_perturb([dense()], [dense()], [x]),
            lambda x: functions.sam_restore([x], [dense()]),
            lambda x: functions.sam_restore([dense()], [x]),
            lambda x: functions.pcgrad([[x]], [dense()]),
            lambda x: functions.pcgrad([[dense()]], [x]),
        ):
            refused(lambda: call(bad()), "[0]")


def numpy_states_and_gradients():
    def make(count=1):
        weights = [array(numpy.ones((5, 3))) for _ in range(count)]
        optimizer = arrays.SGD(weights, lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.step([array(numpy.ones((5, 3))) for _ in weights])
        for weight in weights:
            weight[...] = 1
        return weights, optimizer

    def replace(optimizer):
        optimizer.state[0]["momentum_buffer"] = array(numpy.zeros((5, 3)))

    def reassign(optimizer):
        optimizer.state = [{}]

    for change in (replace, lambda o: o.state[0].clear(), lambda o: o.state.clear(), reassign):
        (weight,), optimizer = make()
        change(optimizer)
        for _ in range(2):
            optimizer.step([array(-numpy.ones((5, 3)))])
        close(weight, 1.29)
        close(optimizer.state[0]["momentum_buffer"], -1.9)
    for wrong in (array(numpy.ones((3, 5))), array(numpy.ones(2)), array(numpy.ones((5, 3)), "f8"), array(numpy.ones((3, 5))).T, 3):
        (weight,), optimizer = make()
        optimizer.state[0]["momentum_buffer"] = wrong
        refused(lambda: optimizer.step([array(numpy.ones((5, 3)))]), "state momentum_buffer of params[0]")
        close(weight, 1.0)
    weights, optimizer = make(2)
    optimizer.state[0].clear()
    optimizer.step([array(-numpy.ones((5, 3)))] * 2)
    close(weights[0], 1.1)
    close(weights[1], 1 + 0.1 * (1 - 0.9 * 2.71))


def numpy_scalars_and_resized_arrays():
    a, b = array(1.0), array(1.0)
    optimizer = arrays.SGD([a, b], lr=0.1)
    optimizer.step([numpy.float32(1), numpy.float32(2)])
    close(a, 0.9)
    close(b, 0.8)
    refused(lambda: arrays.SGD([numpy.float32(1)]), "params[0] is a NumPy scalar")
    refused(lambda: optimizer.step([numpy.broadcast_to(array([1.0]), (3,)), None]), "grads[0]")
    optimizer.step([torch._neg_view(torch.tensor(1.0)), None])
    close(a, 1.0)
    memory = array(numpy.ones(6))
    refused(lambda: arrays.SGD([memory[:4], memory[2:]]), "params[1] overlaps params[0]", "give")
    refused(lambda: arrays.SGD([memory, memory]), "params[1] overlaps params[0]")
    own = numpy.ones(3, numpy.float32)
    optimizer = arrays.SGD([own], lr=0.1)
    own.resize(1 << 20, refcheck=False)
    refused(lambda: optimizer.step([numpy.ones(3, numpy.float32)]), "params[0]", "(1048576,)")


def every_rule_stays_within_its_tensors():
    for chosen in (getattr(optim, rule.class_name) for rule in optim.RULES):
        for dtype in (torch.float32, torch.bfloat16):
            params = [parameter(shape=shape, dtype=dtype) for shape in ((7, 9), (13,), (2, 3, 3, 3), (1,))]
            optimizer = chosen(params, lr=0.01, clip_norm=1.0)
            for _ in range(3):
                for param in params:
                    param.grad = full(0.5, *param.shape, dtype=dtype)
                optimizer.step(**{name: [full(1.0, *p.shape, dtype=dtype) for p in params] for name in chosen.rule.needs})
            assert all(torch.isfinite(param).all() for param in params)


PROGRAMS = {name: made for name, made in list(globals().items()) if name not in _HELPERS and hasattr(made, "__code__")}


def run(name, place):
    """0 in words, an exception's last line, or the signal."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            Memory.place = place
            guard()
            PROGRAMS[name]()
            words = "right"
        except BaseException as error:
            words = "".join(traceback.format_exception_only(type(error), error)).strip().replace("\n", " ")
        os.write(write, words.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        words = pipe.read()
    status = os.waitpid(child, 0)[1]
    return f"ended by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else words


if __name__ == "__main__":
    for program in sys.argv[1:] or PROGRAMS:
        for where in PLACES:
            print(f"{program} | {where} | {run(program, where)}", flush=True)
