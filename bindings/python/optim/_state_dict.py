"""Looks at state dictionaries before they are loaded. Whatever is wrong is a ValueError that names it."""

from ._native import StepCounts


def parts(state_dict, states_kind):
    """The groups and the states of a state dictionary, whose form is right; `states_kind`, dict or list, is that of the states."""
    if not isinstance(state_dict, dict):
        raise ValueError(f"the state is {_kind(state_dict)}; it must be a dictionary with param_groups and state")
    missing = [name for name in ("param_groups", "state") if name not in state_dict]
    if missing:
        raise ValueError(f"the state has no {' and no '.join(missing)}; it has {_names(state_dict)}")
    groups, states = state_dict["param_groups"], state_dict["state"]
    if not isinstance(groups, (list, tuple)):
        raise ValueError(f"param_groups of the state is {_kind(groups)}; it must be a list of dictionaries")
    for i, group in enumerate(groups):
        if not isinstance(group, dict):
            raise ValueError(f"group {i} of the state is {_kind(group)}; it must be a dictionary")
        strange = [name for name in group if not isinstance(name, str)]
        if strange:
            raise ValueError(f"group {i} of the state has the option {strange[0]!r}; options have names")
        if "step" in group:
            steps(group["step"], f"step of group {i}")
    if not isinstance(states, states_kind):
        raise ValueError(f"state of the state is {_kind(states)}; it must be a {states_kind.__name__} of dictionaries")
    entries = states.items() if isinstance(states, dict) else enumerate(states)
    for i, entry in entries:  # of a parameter; pytorch_optimizer has others, which have names
        if isinstance(i, int) and entry is not None and not isinstance(entry, dict):
            raise ValueError(f"state {i} is {_kind(entry)}; it must be a dictionary")
    return groups, states


def count(value, name):
    """A whole number."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise ValueError(f"{name} is {value!r}; a whole number is needed") from None
    if not -(2**63) <= found < 2**63:
        raise ValueError(f"{name} is {found}; a number of 64 bits is needed")
    return found


def steps(value, name):
    """A count of steps that were made."""
    found = count(value, name)
    if found < 0:
        raise ValueError(f"{name} is {found}; allowed is 0 or more")
    return found


def counts(value, length):
    """The step counts of so many parameters: of each its steps, those with further inputs, and whether a step has changed it."""
    if not isinstance(value, (list, tuple)) or len(value) != length:
        raise ValueError(f"counts of the state is {value!r}; it must be a list of the counts of {length} parameters")
    for i, made in enumerate(value):
        if not isinstance(made, (list, tuple)) or len(made) != 3:
            raise ValueError(f"counts[{i}] of the state is {made!r}; it must be two numbers of steps and a boolean")
    return [
        StepCounts(steps(made[0], f"counts[{i}][0]"), steps(made[1], f"counts[{i}][1]"), bool(made[2]))
        for i, made in enumerate(value)
    ]


def _kind(value):
    return f"of type {type(value).__name__}"


def _names(dictionary):
    return ", ".join(map(str, dictionary)) or "nothing"
