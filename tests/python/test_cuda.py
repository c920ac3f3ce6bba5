"""CUDA tensors of torch; collected only where torch has a CUDA device."""

import copy

import pytest
import torch
from support import CLASS_LIST, DATA, TARGET, create, model

import optim

DEVICE = torch.device("cuda", 0)


def train_on(made, optimizer, steps, needs=False):
    device = next(made.parameters()).device
    x, y = DATA.to(device), TARGET.to(device)
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        ((made(x) - y) ** 2).mean().backward(create_graph=needs)
        optimizer.step()


@pytest.mark.parametrize("chosen", CLASS_LIST, ids=lambda c: c.__name__)
def test_equal_to_the_cpu(chosen):
    host, device = model().double(), model().double().to(DEVICE)
    data = DATA.double()
    for made in (host, device):
        optimizer = create(chosen, made.parameters())
        x = data.to(next(made.parameters()).device)
        for _ in range(5):
            optimizer.zero_grad(set_to_none=True)
            (made(x) ** 2).mean().backward(create_graph=bool(chosen.rule.needs))
            optimizer.step()
    for first, second in zip(host.parameters(), device.parameters()):
        assert torch.allclose(first, second.cpu(), rtol=1e-8, atol=1e-10)


def test_the_current_stream_is_used():
    stream = torch.cuda.Stream()
    param = torch.nn.Parameter(torch.ones(1 << 20, device=DEVICE))
    optimizer = optim.SGD([param], lr=1.0)
    param.grad = torch.ones_like(param)
    optimizer.step()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        param.grad.fill_(2.0)
        optimizer.step()
    stream.synchronize()
    assert float(param.detach().max()) == -2.0


def test_grad_scaler_without_waiting():
    made = model().to(DEVICE)
    optimizer = optim.AdamW(made.parameters())
    scaler = torch.cuda.amp.GradScaler(init_scale=1024.0)
    other = copy.deepcopy(made)
    plain = optim.AdamW(other.parameters())
    x, y = DATA.to(DEVICE), TARGET.to(DEVICE)
    for _ in range(4):
        for network, chosen in ((made, optimizer), (other, plain)):
            chosen.zero_grad(set_to_none=True)
            loss = ((network(x) - y) ** 2).mean()
            (scaler.scale(loss) if chosen is optimizer else loss).backward()
        torch.cuda.set_sync_debug_mode("error")
        scaler.step(optimizer)
        plain.step()
        torch.cuda.set_sync_debug_mode("default")
        scaler.update()
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), other.parameters()))
    next(made.parameters()).grad[0] = float("inf")
    before = [p.detach().clone() for p in made.parameters()]
    scaler.step(optimizer)
    scaler.update()
    assert all(torch.equal(a, b) for a, b in zip(before, made.parameters()))
    assert optimizer.state_dict()["param_groups"][0]["step"] == 4


def test_states_move_between_devices():
    host = model()
    first = optim.AdamW(host.parameters())
    train_on(host, first, 3)
    device = copy.deepcopy(host).to(DEVICE)
    second = optim.AdamW(device.parameters())
    second.load_state_dict(first.state_dict())
    train_on(host, first, 3)
    train_on(device, second, 3)
    for one, two in zip(host.parameters(), device.parameters()):
        assert torch.allclose(one, two.cpu(), rtol=1e-5, atol=1e-6)


def test_loss_scaler_on_the_device():
    made = model().to(DEVICE)
    optimizer = optim.AdamW(made.parameters())
    scaler = optim.LossScaler(device=DEVICE)
    loss = ((made(DATA.to(DEVICE)) - TARGET.to(DEVICE)) ** 2).mean()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 65536.0
