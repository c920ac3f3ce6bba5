"""What stands beside the library: torch.optim in all its implementations, pytorch_optimizer's classes where it is installed,
and plain torch (compiled where torch can)."""

import importlib.util
import inspect

import plain
import torch
from plain_ranger21 import Ranger21
from timing import Candidate

PLAIN = {c.__name__: c for c in (plain.AdaBelief, plain.AdamP, plain.AdaPNM, plain.Lamb, plain.LARS, plain.MADGRAD, plain.Nero, Ranger21)}


def adamw(params, after=None, only=None):
    """torch.optim.AdamW as a for-loop, foreach and fused, where this torch has them for these tensors. `after` runs before
    each step (a clip, say)."""
    known = inspect.signature(torch.optim.AdamW).parameters
    kinds = {"for-loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
    found = []
    for kind, options in kinds.items():
        if (only and kind not in only) or not set(options) <= set(known):
            continue
        try:
            optimizer = torch.optim.AdamW(params, **options)
        except RuntimeError:  # "fused" on a device that has none
            continue
        found.append(Candidate(f"torch {kind}", _sequence(after, optimizer.step)))
    return found


def _sequence(first, second):
    if first is None:
        return second

    def both():
        first()
        second()

    return both


def of_rule(name, params, steps=1):
    """pytorch_optimizer's class where it is installed, and the plain implementation, compiled too where torch compiles."""
    found = [Candidate("plain torch", PLAIN[name](params).step, steps)]
    if importlib.util.find_spec("pytorch_optimizer"):
        import pytorch_optimizer

        options = {"num_iterations": 10000} if name == "Ranger21" else {}
        theirs = getattr(pytorch_optimizer, name)(params, **options)
        found.insert(0, Candidate("pytorch_optimizer", theirs.step, steps))
    if hasattr(torch, "compile") and params[0].is_cuda:
        found.append(Candidate("torch.compile", PLAIN[name](params, compiled=True).step, steps))
    return found


class MasterWeights:
    """16-bit parameters stepped through f32 copies, as mixed-precision training does with torch: gradients widened, clipped,
    torch's AdamW on the copies, which are then narrowed."""

    def __init__(self, params, max_norm, **options):
        self.params = params
        self.masters = [torch.nn.Parameter(p.detach().float()) for p in params]
        for master in self.masters:
            master.grad = torch.zeros_like(master)
        self.max_norm = max_norm
        self.optimizer = torch.optim.AdamW(self.masters, **options)

    @torch.no_grad()
    def step(self):
        torch._foreach_copy_([m.grad for m in self.masters], [p.grad for p in self.params])
        torch.nn.utils.clip_grad_norm_(self.masters, self.max_norm)
        self.optimizer.step()
        torch._foreach_copy_([p.detach() for p in self.params], [m.detach() for m in self.masters])
