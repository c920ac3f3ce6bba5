"""Ranger21 (arXiv 2106.13731) with all its components, each a pass or several of its own: adaptive gradient clipping,
centralization, normalization, second moment with running maximum, stable weight decay, norm loss, positive-negative momentum
with a softplus denominator, warm-up, Lookahead. Gradients are changed in place, as optimizers written in Python do."""

import math

import torch
from plain import Plain, rows

LR, BETA0, BETA1, BETA2, EPS = 1e-3, 0.9, 0.9, 0.999, 1e-8
WARM_UP = 2000  # 2 / (1 - beta2), of the 10,000 iterations in OPTIONS; a benchmark ends before the warm-down


def clip_adaptively(p, g):
    limit = rows(p).norm(dim=1, keepdim=True).clamp_min(1e-3).mul_(1e-2)
    norm = rows(g).norm(dim=1, keepdim=True)
    rows(g).mul_(torch.where(norm > limit, limit / norm.clamp_min(1e-6), torch.ones_like(norm)))


def centralize(g):
    if g.dim() >= 2:
        rows(g).sub_(rows(g).mean(1, keepdim=True))


def normalize(g):
    if g.numel() > 2:
        g.div_(g.std() + 1e-8)


def advance(v, g):
    v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
    return v.sum()


def decay(p, factor):
    p.mul_(factor)


def lose_norm(p, rate):
    norm = rows(p).norm(dim=1, keepdim=True)
    rows(p).mul_(1 - 2e-4 * rate * (1 - 1 / (norm + 1e-8)))


def move(p, g, m, n, v, top, step_size, root):
    m.mul_(BETA1**2).add_(g, alpha=1 - BETA1**2)
    torch.maximum(top, v, out=top)
    denominator = torch.nn.functional.softplus(top.sqrt().mul_(root).add_(EPS), beta=50)
    norm = math.sqrt((1 + BETA0) ** 2 + BETA0**2)
    direction = (m * ((1 + BETA0) / norm)).sub_(n, alpha=BETA0 / norm)
    p.sub_(direction.div_(denominator).mul_(step_size))


def look_ahead(p, slow):
    slow.lerp_(p, 0.5)
    p.copy_(slow)


def first_half(p, g, v):
    """What comes before the sum of the second moments of all tensors; returns this tensor's part of it."""
    clip_adaptively(p, g)
    centralize(g)
    normalize(g)
    return advance(v, g)


def second_half(p, g, m, n, v, top, factor, rate, step_size, root):
    decay(p, factor)
    lose_norm(p, rate)
    move(p, g, m, n, v, top, step_size, root)


class Ranger21(Plain):
    states = ("m", "n", "v", "top", "slow")

    def __init__(self, params, compiled=False):
        self.update = None
        super().__init__(params)
        self.first, self.second = map(torch.compile, (first_half, second_half)) if compiled else (first_half, second_half)
        self.count = sum(p.numel() for p in self.params)

    def begin(self, p, s):
        s["slow"].copy_(p)

    @torch.no_grad()
    def step(self):
        self.t += 1
        rate = LR * min(1.0, self.t / WARM_UP)
        correction2 = 1 - BETA2**self.t
        tensors = [(p, source.grad, s) for p, source, s in zip(self.params, self.grads, self.kept)]
        total = sum(self.first(p, g, s["v"]) for p, g, s in tensors)
        factor = 1 - 1e-4 * rate / (total / (correction2 * self.count)).sqrt()
        scalars = [torch.tensor(x) for x in (rate, rate / (1 - BETA1**self.t), 1 / math.sqrt(correction2))]
        for p, g, s in tensors:
            m, n = (s["m"], s["n"]) if self.t % 2 else (s["n"], s["m"])
            self.second(p, g, m, n, s["v"], s["top"], factor, *scalars)
            if self.t % 5 == 0:
                look_ahead(p, s["slow"])
