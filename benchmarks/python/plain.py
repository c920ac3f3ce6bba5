"""Plain torch implementations of optimizers, one operation after another: what the library's steps are timed beside where no
other implementation is installed. Each does what the library's class does with the options in OPTIONS; a test compares them.

What depends on the step is a tensor without dimensions, so that torch.compile compiles an update once."""

import math

import torch


class Plain:
    """A loop over tensors. Subclasses have `states`, `scalars` and `update`."""

    states = ()

    def __init__(self, params, compiled=False):
        self.grads = params
        self.params = [p.detach() for p in params]
        self.kept = [{name: torch.zeros_like(p) for name in self.states} for p in self.params]
        self.t = 0
        for p, s in zip(self.params, self.kept):
            self.begin(p, s)
        self.run = torch.compile(self.update) if compiled else self.update

    def begin(self, p, s):
        pass

    def step(self):
        self.t += 1
        with torch.no_grad():
            scalars = {name: torch.tensor(value) for name, value in self.scalars(self.t).items()}
            for p, source, s in zip(self.params, self.grads, self.kept):
                self.run(p, source.grad, self.arranged(s), **scalars)

    def arranged(self, s):
        return s


def adam_scalars(t, lr, beta1, beta2, eps):
    """Of p -= lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps) = m / (sqrt(v) root + offset)."""
    step_size = lr / (1 - beta1**t)
    return {"root": 1 / (math.sqrt(1 - beta2**t) * step_size), "offset": eps / step_size}


def rows(x):
    """A tensor as a matrix of its rows; one of rank 0 or 1 is a single row."""
    return x.reshape(x.shape[0], -1) if x.dim() >= 2 else x.reshape(1, -1)


class AdaBelief(Plain):
    states = ("m", "v")

    def scalars(self, t):
        return adam_scalars(t, 1e-3, 0.9, 0.999, 1e-16)

    @staticmethod
    def update(p, g, s, root, offset):
        m, v = s["m"], s["v"]
        m.lerp_(g, 0.1)
        d = g - m
        v.mul_(0.999).addcmul_(d, d, value=0.001).add_(1e-16)
        p.addcdiv_(m, v.sqrt().mul_(root).add_(offset), value=-1)


class AdamP(Plain):
    states = ("m", "v")

    def scalars(self, t):
        return {"step_size": 1e-3 / (1 - 0.9**t), "root": 1 / math.sqrt(1 - 0.999**t)}

    @staticmethod
    def update(p, g, s, step_size, root):
        m, v = s["m"], s["v"]
        m.lerp_(g, 0.1)
        v.mul_(0.999).addcmul_(g, g, value=0.001)
        u = m / v.sqrt().mul_(root).add_(1e-8)
        if p.dim() >= 2:
            for shape in (rows(p).shape, (1, p.numel())):
                x, y = p.view(shape), g.view(shape)
                norm = x.norm(dim=1, keepdim=True)
                cosine = (x * y).sum(1).abs() / (norm[:, 0].clamp_min(1e-8) * y.norm(dim=1).clamp_min(1e-8))
                if cosine.max() < 0.1 / math.sqrt(shape[1]):
                    unit = x / (norm + 1e-8)
                    w = u.view(shape)
                    w.sub_(unit * (unit * w).sum(1, keepdim=True))
                    break
        p.sub_(u.mul_(step_size))


class AdaPNM(Plain):
    states = ("m", "n", "v", "top")

    def scalars(self, t):
        return adam_scalars(t, 1e-3, 0.9, 0.999, 1e-8)

    def arranged(self, s):
        return s if self.t % 2 else {**s, "m": s["n"], "n": s["m"]}

    @staticmethod
    def update(p, g, s, root, offset):
        m, v, top = s["m"], s["v"], s["top"]
        m.mul_(0.81).add_(g, alpha=0.19)
        v.mul_(0.999).addcmul_(g, g, value=0.001)
        torch.maximum(top, v, out=top)
        direction = (2 * m).sub_(s["n"])
        p.addcdiv_(direction, top.sqrt().mul_(root).add_(offset), value=-1 / math.sqrt(5))


class Lamb(Plain):
    states = ("m", "v")

    def scalars(self, t):
        return {}

    @staticmethod
    def update(p, g, s):
        m, v = s["m"], s["v"]
        m.lerp_(g, 0.1)
        v.mul_(0.999).addcmul_(g, g, value=0.001)
        u = m / v.sqrt().add_(1e-6)
        a, b = p.norm().clamp_max(10), u.norm()
        trust = torch.where((a > 0) & (b > 0), a / b, torch.ones_like(a))
        p.sub_(u.mul_(1e-3 * trust))


class LARS(Plain):
    states = ("b",)

    def scalars(self, t):
        return {}

    @staticmethod
    def update(p, g, s):
        b, trust = s["b"], 1.0
        if p.dim() >= 2:
            a, c = p.norm(), g.norm()
            trust = torch.where((a > 0) & (c > 0), 1e-3 * a / c, torch.ones_like(a))
        b.mul_(0.9).add_(g * trust)
        p.add_(b, alpha=-1e-3)


class MADGRAD(Plain):
    states = ("q", "s", "x0")

    def begin(self, p, s):
        s["x0"].copy_(p)

    def scalars(self, t):
        return {"weight": (1e-2 + 1e-6) * math.sqrt(t)}

    @staticmethod
    def update(p, g, s, weight):
        weighted = g * weight
        s["q"].addcmul_(weighted, g)
        s["s"].add_(weighted)
        p.lerp_(torch.addcdiv(s["x0"], s["s"], s["q"].pow(1 / 3).add_(1e-6), value=-1), 0.1)


class Nero(Plain):
    def begin(self, p, s):
        matrix = p.dim() >= 2
        if matrix:
            x = rows(p)
            x.sub_(x.mean(1, keepdim=True)).div_(x.norm(dim=1, keepdim=True))
        s["v"] = torch.zeros_like(rows(p)[:, :1]) if matrix else torch.zeros_like(p)
        s["scale"] = rows(p).norm(dim=1).mean() if matrix else p.abs().mean()

    def scalars(self, t):
        return {"root": math.sqrt(1 - 0.999**t)}

    @staticmethod
    def update(p, g, s, root):
        v, step_size = s["v"], 0.01 * s["scale"] * root
        if p.dim() < 2:
            v.mul_(0.999).addcmul_(g, g, value=0.001)
            p.sub_(step_size * g / v.sqrt())
            return
        x, y = rows(p), rows(g)
        v.mul_(0.999).add_(y.square().sum(1, keepdim=True), alpha=0.001)
        x.sub_(y * (step_size / v.sqrt()))
        x.sub_(x.mean(1, keepdim=True))
        x.div_(x.norm(dim=1, keepdim=True))
