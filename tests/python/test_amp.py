"""Loss scaling: torch's GradScaler, by what it does to optimizers, and the library's own."""

import pytest
import torch
from support import PLAIN_CLASSES, create, equal, loss_of, model, train

import optim


def scaled_step(made, optimizer, scale, found_inf):
    """What torch.cuda.amp.GradScaler does with an optimizer that has _step_supports_amp_scaling."""
    assert optimizer._step_supports_amp_scaling
    optimizer.zero_grad()
    (loss_of(made) * scale).backward()
    optimizer.grad_scale, optimizer.found_inf = torch.tensor(scale), torch.tensor(found_inf)
    optimizer.step()
    del optimizer.grad_scale, optimizer.found_inf


@pytest.mark.parametrize("chosen", PLAIN_CLASSES, ids=lambda c: c.__name__)
def test_scaled_steps_equal_plain_ones(chosen):
    first, second = model(), model()
    one, two = create(chosen, first.parameters()), create(chosen, second.parameters())
    for _ in range(4):
        train(first, one, 1)
        scaled_step(second, two, 1024.0, 0.0)
    assert equal(first, second)


def test_found_inf_skips_the_whole_step():
    made = model()
    optimizer = optim.AdamW(made.parameters())
    train(made, optimizer, 2)
    before = [param.detach().clone() for param in made.parameters()]
    scaled_step(made, optimizer, 1024.0, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, made.parameters()))
    assert optimizer.state_dict()["param_groups"][0]["step"] == 2


def test_gradients_that_were_unscaled_before():
    """After GradScaler.unscale_ the scale is None."""
    first, second = model(), model()
    one, two = optim.AdamW(first.parameters()), optim.AdamW(second.parameters())
    train(first, one, 1)
    loss_of(second).backward()
    two.grad_scale, two.found_inf = None, torch.tensor(0.0)
    two.step()
    assert equal(first, second)


@pytest.mark.parametrize("wrap", [lambda o: o, lambda o: optim.Lookahead(o, k=100)])
def test_loss_scaler(wrap):
    first, second = model(), model()
    one, two = optim.AdamW(first.parameters()), wrap(optim.AdamW(second.parameters()))
    scaler = optim.LossScaler(init_scale=256.0, growth_interval=3)
    assert scaler.get_scale() == 256.0
    for _ in range(3):
        train(first, one, 1)
        two.zero_grad(set_to_none=True)
        scaler.scale(loss_of(second)).backward()
        scaler.step(two)
        scaler.update()
    assert equal(first, second)
    assert scaler.get_scale() == 512.0
    next(second.parameters()).grad[0] = float("inf")
    scaler.step(two)
    scaler.update()
    assert equal(first, second)
    assert scaler.get_scale() == 256.0
    other = optim.LossScaler()
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 256.0


def test_loss_scaler_of_fairseq_and_its_misuse():
    assert optim.LossScaler("fairseq").get_scale() == 32768.0
    with pytest.raises(ValueError, match="rule 'apex'"):
        optim.LossScaler("apex")
    with pytest.raises(ValueError, match="option scale"):
        optim.LossScaler(scale=2)
    with pytest.raises(ValueError, match="growth_factor"):
        optim.LossScaler(growth_factor=0.5)
