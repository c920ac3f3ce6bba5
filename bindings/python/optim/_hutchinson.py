"""Hutchinson's estimate of a Hessian's diagonal."""

import torch

from .functions import rademacher


def _gaussian(probes, seed, offset):
    generators = {}
    for probe in probes:
        if probe.device not in generators:
            generators[probe.device] = torch.Generator(probe.device).manual_seed(seed << 32 ^ offset)
        probe.normal_(generator=generators[probe.device])


_FILLS = {"rademacher": rademacher, "gaussian": _gaussian}


def hutchinson(params, num_samples=1, distribution="rademacher", seed=0, offset=0):
    """The mean of z * (H z) over random probes z (arXiv 2006.00719), from gradients that have a graph
    (`backward(create_graph=True)`).

    Args:
        params: parameters; those without a gradient that has a graph get None.
        num_samples: number of probes.
        distribution: of their elements: "rademacher", +1 or -1, or "gaussian".
        seed, offset: of the probes; take another offset (num_samples further) for every estimate.

    Returns:
        A list with a tensor, or None, for each parameter.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples is {num_samples}; allowed is 1 or more")
    if distribution not in _FILLS:
        raise ValueError(f"distribution is {distribution!r}; allowed are {' and '.join(_FILLS)}")
    chosen = [p for p in params if p.grad is not None and p.grad.requires_grad]
    grads = [p.grad for p in chosen]
    sums = [torch.zeros_like(p) for p in chosen]
    for sample in range(num_samples):
        probes = [torch.empty_like(p) for p in chosen]
        _FILLS[distribution](probes, seed, offset + sample)
        with torch.enable_grad():
            keep = sample + 1 < num_samples
            products = torch.autograd.grad(grads, chosen, grad_outputs=probes, retain_graph=keep, allow_unused=True)
        for total, probe, product in zip(sums, probes, products):
            if product is not None:
                total.addcmul_(probe, product, value=1.0 / num_samples)
    found = dict(zip(map(id, chosen), sums))
    return [found.get(id(p)) for p in params]
