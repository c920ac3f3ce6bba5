"""The cases that step parameters: what is stepped, beside what, and what it must reach."""

from dataclasses import dataclass, field

import library
import peers
import shapes
import torch
from library import Ours, candidates

MI = 1 << 20


@dataclass
class Context:
    device: torch.device
    size: str  # "full" (a GPU's), "cpu" or "tiny"

    def pick(self, full, cpu, tiny):
        return {"full": full, "cpu": cpu, "tiny": tiny}[self.size]

    def params(self, listed, dtype=torch.float32):
        """Parameters of these shapes with gradients, about as large as those of training."""
        generator = torch.Generator(self.device).manual_seed(1)

        def random(shape, scale):
            made = torch.empty(shape, dtype=dtype, device=self.device)
            return made.normal_(0, scale, generator=generator)

        made = [torch.nn.Parameter(random(shape, 0.02)) for shape in listed]
        for param in made:
            param.grad = random(param.shape, 1e-3)
        return made


@dataclass
class Check:
    """A figure that must be at least, or at most, a bound. `figure` finds it in the result of the row."""

    what: str
    figure: object
    bound: float
    at_least: bool = True
    device: str = "cuda"


@dataclass
class Row:
    """What a case is on one device: candidates, and what is known before."""

    what: str
    parameters: int
    tensors: int
    candidates: list
    bytes: dict = field(default_factory=dict)  # of a step, by the prefix of its candidates
    checks: list = field(default_factory=list)
    minimal_floats: float = None  # of the specification, a parameter and step
    counted: object = None  # a step whose launches are counted
    notes: list = field(default_factory=list)
    afterwards: object = None  # called with the result when all is measured


def share_of_bandwidth(result):
    return result.predicted("optim") / result.time("optim")


def against(*peers_wanted):
    """How many times the library is as fast as the fastest of these peers, or of all."""

    def figure(result):
        times = [t for name, t in result.peers().items() if not peers_wanted or name in peers_wanted]
        return min(times) / result.time("optim") if times else None

    return figure


def of(candidate, kind="time"):
    return lambda result: getattr(result, kind)(candidate)


def _row(context, what, params, ours, others, checks, steps=1, **more):
    numbers = {"parameters": sum(p.numel() for p in params), "tensors": len(params)}
    found = candidates(ours, context.device, steps) + others
    return Row(what, **numbers, candidates=found, bytes={"optim": ours.bytes}, checks=checks, counted=ours.plan_step, **more)


def adamw_row(context, what, listed, checks, dtype=torch.float32, **options):
    params = context.params(listed, dtype)
    ours = Ours("AdamW", params, **options)
    return _row(context, what, params, ours, peers.adamw(params), checks)


def adamw_flat(context):
    n = context.pick(1024, 64, 1 / 64)
    checks = [
        Check("share of bandwidth", share_of_bandwidth, 0.92),
        Check("times torch for-loop", against("torch for-loop"), 5, device="cpu"),
        Check("times torch foreach", against("torch foreach"), 5, device="cpu"),
    ]
    return adamw_row(context, f"AdamW f32, one tensor of {n:g} Mi", [(int(n * MI),)], checks)


def adamw_ten(context):
    n = context.pick(16, 1, 1 / 64)
    checks = [Check("share of bandwidth", share_of_bandwidth, 0.92)]
    return adamw_row(context, f"AdamW f32, 10 tensors of {n:g} Mi", [(int(n * MI),)] * 10, checks)


def adamw_bf16(context):
    n = context.pick(1024, 16, 1 / 64)
    checks = [Check("share of bandwidth", share_of_bandwidth, 0.90)]
    what = f"AdamW, bf16 parameters and gradients, f32 states, {n:g} Mi (torch: bf16 states)"
    return adamw_row(context, what, [(int(n * MI),)], checks, torch.bfloat16)


def adamw_many(context):
    checks = [
        Check("seconds", of("optim"), 40e-6, at_least=False),
        Check("seconds of the host", of("optim plan", "host"), 10e-6, at_least=False),
        Check("times torch", against("torch for-loop", "torch foreach"), 150, device="cpu"),
    ]
    count = context.pick(10000, 10000, 100)
    return adamw_row(context, f"AdamW f32, {count:,} tensors of 64", [(64,)] * count, checks)


def adamw_master(context):
    count = context.pick(64, 64, 4)
    params = context.params([(262144,)] * count, torch.bfloat16)
    ours = Ours("AdamW", params, clip_norm=1.0, master_weights=True)
    notes = []
    if context.device.type == "cuda":
        fused = peers.MasterWeights(params, 1.0, fused=True)
        replay = peers.MasterWeights(params, 1.0, fused=True, capturable=True)
        others = [
            peers.Candidate("torch fused", fused.step),
            peers.Candidate("torch fused graph", library.replayed(replay.step)),
        ]
    elif hasattr(torch, "_foreach_copy_"):
        others = [peers.Candidate("torch foreach", peers.MasterWeights(params, 1.0, foreach=True).step)]
    else:  # torch 1.13
        after = lambda: torch.nn.utils.clip_grad_norm_(params, 1.0)  # noqa: E731
        others = peers.adamw(params, after, only=("foreach",))
        notes.append("this torch cannot copy lists: the peer steps bf16 itself")
    checks = [Check("seconds by graph", of("optim graph"), 130e-6, at_least=False)]
    what = f"AdamW bf16 with f32 master weights and clip by global norm, {count} tensors of 262,144"
    return _row(context, what, params, ours, others, checks, notes=notes)


def model(name):
    def build(context):
        listed = shapes.MODELS[name]()
        if context.size == "tiny":
            listed = [tuple(max(1, n // 64) for n in shape) for shape in listed[:20]]
        checks = [Check("times torch fused", against("torch fused"), 1)]
        return adamw_row(context, f"AdamW f32, the parameters of {name}", listed, checks)

    return build


def clip_norm(context):
    count, n = context.pick((64, 4), (16, 1), (4, 1 / 64))
    params = context.params([(int(n * MI),)] * count)
    plain, clipped = Ours("AdamW", params), Ours("AdamW", params, clip_norm=1.0)
    cuda = context.device.type == "cuda"
    after = lambda: torch.nn.utils.clip_grad_norm_(params, 1.0)  # noqa: E731
    others = peers.adamw(params, after, only=("fused",) if cuda else None)
    found = candidates(clipped, context.device) + candidates(plain, context.device, prefix="unclipped") + others
    checks = [
        Check("bytes more a parameter", lambda r: r.bytes_more("optim", "unclipped"), 4.001, at_least=False, device="any"),
        Check("seconds of the host more", lambda r: r.host("optim plan") - r.host("unclipped plan"), 2e-6, at_least=False),
    ]
    return Row(
        f"AdamW f32 with clip by global norm, {count} tensors of {n:g} Mi",
        sum(p.numel() for p in params),
        count,
        found,
        {"optim": clipped.bytes, "unclipped": plain.bytes},
        checks,
        counted=clipped.plan_step,
    )


# Floats that a step must move for each parameter (shared specification), large matrices whose rows fit on chip, tensors not.
MINIMAL_FLOATS = {
    "Lamb": 10,
    "AdamP": 10,
    "Nero": 3,
    "LARS": 7,
    "Ranger21": 16.4,
    "MADGRAD": 8,
    "AdaPNM": 10,
    "AdaBelief": 7,
}


def rule(name):
    def build(context):
        side, count = context.pick((4096, 16), (4096, 1), (64, 2))
        listed = [(side, side)] * count + ([(side * side,)] if name == "Ranger21" else [])
        params = context.params(listed)
        steps = 5 if name == "Ranger21" else 1  # Lookahead blends at every fifth
        minimal = MINIMAL_FLOATS[name]
        checks = [Check("times the minimal bytes' time", lambda r: r.over_minimum(minimal), 1.25, at_least=False)]
        if name == "Ranger21":
            for peer in ("pytorch_optimizer", "plain torch"):
                checks.append(Check(f"times its parts, {peer}", against(peer), 10, device="cpu"))
        what = f"{name} f32, {count} of {side} x {side}" + (f" and one of {side * side:,}" if name == "Ranger21" else "")
        others = peers.of_rule(name, params, steps)
        return _row(context, what, params, Ours(name, params), others, checks, steps, minimal_floats=minimal)

    return build


# In the order of their importance, should time run out. Sizes that a CPU cannot hold are left out there.
CASES = {
    "adamw_flat": adamw_flat,
    "adamw_10000x64": adamw_many,
    "adamw_master": adamw_master,
    "adamw_10": adamw_ten,
    "adamw_bf16": adamw_bf16,
    "clip_norm": clip_norm,
    "ranger21": rule("Ranger21"),
    **{f"model_{name}": model(name) for name in shapes.MODELS},
    **{name.lower(): rule(name) for name in MINIMAL_FLOATS if name != "Ranger21"},
}
GPU_ONLY = {"model_llama_1b"}
