"""What several tests need: models, and options under which a rule's states exist."""

import torch
from optim._torch_optimizer import CLASSES

CLASS_LIST = list(CLASSES.values())
INPUT_CLASSES = [c for c in CLASS_LIST if c.rule.needs]
PLAIN_CLASSES = [c for c in CLASS_LIST if not c.rule.needs]


def model():
    """A small network whose weights are the same at every call."""
    generator = torch.Generator().manual_seed(7)
    made = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    with torch.no_grad():
        for param in made.parameters():
            param.copy_(torch.randn(param.shape, generator=generator) * 0.5)
    return made


DATA = torch.randn(16, 5, generator=torch.Generator().manual_seed(2))
TARGET = torch.randn(16, 3, generator=torch.Generator().manual_seed(3))


def loss_of(made):
    return ((made(DATA) - TARGET) ** 2).mean()


def train(made, optimizer, steps, set_to_none=True, scheduler=None):
    """Trains; returns the losses. A rule that needs a Hessian gets one by way of gradients that have a graph."""
    losses = []
    needs = bool(getattr(getattr(optimizer, "rule", None), "needs", ()))
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=set_to_none)
        loss = loss_of(made)
        loss.backward(create_graph=needs)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        losses.append(float(loss))
    for param in made.parameters():
        param.grad = None
    return losses


def create(chosen, params, **options):
    """An optimizer with small limits where defaults would make a rule do nothing within a few steps."""
    small = {"start_preconditioning_step": 2, "preconditioning_compute_steps": 2, "num_iterations": 100}
    known = {name: value for name, value in small.items() if name in chosen.options.defaults}
    return chosen(params, **{**known, **options})


def difference(first, second):
    return max(float((a - b).detach().abs().max()) for a, b in zip(first.parameters(), second.parameters()))


def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters()))


