"""Optimizers by name, with the interface of pytorch_optimizer."""

import fnmatch
import warnings

from torch import nn

from ._schema import HELPERS, RULES, find_rule
from ._options import SPELLINGS
from ._torch_optimizer import CLASSES, STORAGE_OPTIONS
from .wrappers import Lookahead

STORAGE = tuple(name for name, _, _ in STORAGE_OPTIONS)

WD_BAN_LIST = ("bias", "LayerNorm.bias", "LayerNorm.weight")


def get_supported_optimizers(filters=None):
    """The names of all optimizers, lower case and sorted; `filters` is a pattern such as "adam*" or a list of them."""
    names = sorted(name.lower() for name in CLASSES)
    if filters is None:
        return names
    patterns = [filters] if isinstance(filters, str) else list(filters)
    return [name for name in names if any(fnmatch.fnmatch(name, pattern.lower()) for pattern in patterns)]


def load_optimizer(optimizer):
    """The class of an optimizer by its name in any usual spelling; NotImplementedError if there is none."""
    return CLASSES[find_rule(optimizer).class_name]


def get_optimizer_parameters(model_or_parameter, weight_decay, wd_ban_list=WD_BAN_LIST):
    """Two parameter groups, one with weight decay and one without.

    Args:
        model_or_parameter: a module, or pairs of names and parameters. Parameters that require no gradient are left out.
        weight_decay: of the first group.
        wd_ban_list: parts of the names of parameters, or of their modules' classes, that belong into the second group.
    """
    if isinstance(model_or_parameter, nn.Module):
        named = [
            (f"{prefix}.{name}" if prefix else name, type(module).__name__, param)
            for prefix, module in model_or_parameter.named_modules()
            for name, param in module.named_parameters(recurse=False)
        ]
    else:
        named = [(name, "", param) for name, param in model_or_parameter]
    groups = {False: [], True: []}
    seen = set()
    for name, kind, param in named:
        if not param.requires_grad or id(param) in seen:
            continue
        seen.add(id(param))
        # "LayerNorm.bias" is a class and a name; "LayerNorm" or "bias" one of them
        banned = any(part in name or part in f"{kind}.{name.rsplit('.', 1)[-1]}" for part in wd_ban_list)
        groups[banned].append(param)
    return [{"params": groups[False], "weight_decay": weight_decay}, {"params": groups[True], "weight_decay": 0.0}]


def create_optimizer(
    model, optimizer_name, lr=1e-3, weight_decay=0.0, wd_ban_list=WD_BAN_LIST, use_lookahead=False, **kwargs
):
    """An optimizer of a model's parameters.

    Args:
        model: a module.
        optimizer_name: see `get_supported_optimizers`.
        lr, weight_decay: of the optimizer; biases and layer norms (wd_ban_list) do not decay.
        use_lookahead: with Lookahead around it, of the options k, alpha and pullback_momentum.
        kwargs: options. One that only other optimizers have is left out, so that a loop over names needs no table.
    """
    rule = find_rule(optimizer_name)
    chosen = CLASSES[rule.class_name]
    lookahead = {name: kwargs[name] for name in ("k", "alpha", "pullback_momentum") if name in kwargs}
    known = {hyper.name for other in RULES for hyper in other.hypers} | {helper.name for helper in HELPERS}
    known |= {"betas", *STORAGE, "foreach", "fused", "pullback_momentum", *SPELLINGS}
    unknown = [name for name in kwargs if name not in known]
    if unknown:
        raise TypeError(f"no optimizer has an option {', '.join(unknown)}")
    own = chosen.options.translate(kwargs)
    taken = {name for name in (*chosen.options.defaults, *chosen.options.helpers, *STORAGE)}
    arguments = {name: value for name, value in own.items() if name in taken}
    if "weight_decay" in chosen.options.defaults:
        arguments["weight_decay"] = weight_decay
        params = get_optimizer_parameters(model, weight_decay, wd_ban_list) if weight_decay > 0 else model.parameters()
    else:
        params = model.parameters()
    optimizer = chosen(params, lr=lr, **arguments)
    if use_lookahead:
        if any(slot.role == "slow_params" for slot in rule.slots):
            warnings.warn(f"{rule.class_name} already has a Lookahead variant.", UserWarning, stacklevel=2)
        else:
            optimizer = Lookahead(optimizer, **lookahead)
    return optimizer
