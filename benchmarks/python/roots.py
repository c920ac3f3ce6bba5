"""The case of batched inverse 4th roots."""

import torch
from cases import Check, Row
from library import Roots
from timing import Candidate

POWER = 4
RIDGE = 1e-6  # times the largest eigenvalue
ITERATIONS = 30  # of Newton's


def matrices(count, n, device):
    """Statistics as Shampoo gathers them: G G^T of a gradient with as many columns as rows, plus a little of the identity."""
    g = torch.randn(count, n, n, device=device, generator=torch.Generator(device).manual_seed(1))
    return (g @ g.transpose(1, 2)).div_(n).add_(torch.eye(n, device=device), alpha=1e-2)


def by_eigenvalues(a):
    values, vectors = torch.linalg.eigh(a)
    values = values + RIDGE * values[:, -1:]
    return (vectors * values.pow(-1 / POWER).unsqueeze(1)) @ vectors.transpose(1, 2)


def by_newton(a):
    """The coupled Newton iteration (Guo & Higham 2006) of the whole batch by torch.bmm, with a fixed number of iterations, so
    that nothing waits for the device."""
    n = a.shape[-1]
    eye = torch.eye(n, device=a.device)
    z = ((1 + POWER) / (2 * torch.linalg.matrix_norm(a))).view(-1, 1, 1)
    x, m = z.pow(1 / POWER) * eye, z * a
    for _ in range(ITERATIONS):
        t = ((POWER + 1) * eye - m) / POWER
        x = torch.bmm(x, t)
        t = torch.bmm(t, t)
        m = torch.bmm(torch.bmm(t, t), m)
    return x


def residual(root, a):
    """The mean over some matrices of |X^4 (A + ridge) - I| / sqrt(n), in double."""
    found = []
    for x, m in zip(root, a):
        x, m = x.double(), m.double()
        eye = torch.eye(len(m), device=m.device, dtype=torch.float64)
        m = m + RIDGE * torch.linalg.eigvalsh(m)[-1] * eye
        found.append(torch.linalg.norm(torch.linalg.matrix_power(x, POWER) @ m - eye) / len(m) ** 0.5)
    return float(torch.stack(found).mean())


class Peer:
    """The roots of a batch by torch, kept so that their residual can be looked at."""

    def __init__(self, compute, a):
        self.compute, self.a, self.root = compute, a, None

    def step(self):
        self.root = self.compute(self.a)


def batch(n):
    def build(context):
        count = context.pick(*{1024: (256, 1, 1), 256: (1024, 1, 1), 64: (4096, 16, 4)}[n])
        side = n if context.size != "tiny" else min(n, 32)
        a = matrices(count, side, context.device)
        held = {
            "optim": Roots("optim_inverse_root", a, POWER, RIDGE, None),
            "optim newton": Roots("optim_coupled_newton", a, POWER, ITERATIONS, 0.0, None, None),
            "eigh": Peer(by_eigenvalues, a),
            "newton by bmm": Peer(by_newton, a),
        }

        def residuals(result):
            result.record("residuals", {name: residual(h.root[:4], a[:4]) for name, h in held.items()})

        def ratio(peer):
            return lambda r: r.time(peer) / r.time("optim") if r.has(peer) else None

        def residual_ratio(result):
            found = result.recorded["residuals"]
            return found["optim"] / found["eigh"]

        checks = [
            Check("times eigh", ratio("eigh"), 5),
            Check("times newton by bmm", ratio("newton by bmm"), 1.3),
            Check("residual over eigh's", residual_ratio, 1, at_least=False, device="any"),
        ]
        what = f"inverse 4th roots f32, {count} matrices of {side} x {side}"
        found = [Candidate(name, h.step) for name, h in held.items()]
        return Row(what, a.numel(), count, found, checks=checks, afterwards=residuals)

    return build


CASES = {f"roots_{n}": batch(n) for n in (1024, 256, 64)}
GPU_ONLY = {"roots_1024", "roots_256"}
