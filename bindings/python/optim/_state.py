"""The dictionaries in which a torch optimizer keeps its states: they tell when they are changed, so that a step of ten thousand
parameters need not look at every entry."""

import functools
from collections import defaultdict


class Watch:
    """What the dictionaries of one optimizer share."""

    changed = True


def _telling(kind):
    """Has every method that changes a dictionary say so to its `watch`."""

    def telling(method):
        @functools.wraps(method)
        def tell(self, *args, **kwargs):
            self.watch.changed = True
            return method(self, *args, **kwargs)

        return tell

    for name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
        setattr(kind, name, telling(getattr(kind, name)))
    return kind


@_telling
class ParamStates(dict):
    """The states of one parameter, by name. Copies and pickles are plain dictionaries."""

    def __init__(self, watch, *args):
        super().__init__(*args)
        self.watch = watch

    def __reduce__(self):
        return dict, (dict(self),)


@_telling
class States(defaultdict):
    """The states of all parameters, as torch.optim has them. Copies and pickles are plain default dictionaries."""

    def __init__(self, states=()):
        self.watch = Watch()
        super().__init__(functools.partial(ParamStates, self.watch))
        for param, entry in dict(states).items():
            self[param] = ParamStates(self.watch, entry)

    def __reduce__(self):
        return defaultdict, (dict,), None, None, iter(self.items())

    def __repr__(self):
        return repr(dict(self))

    def copy(self):
        return defaultdict(dict, self)

    __copy__ = copy


def unchanged(states):
    """Whether these are known to be as they were when `settle` was called."""
    return isinstance(states, States) and not states.watch.changed


def settle(states):
    """Begins to watch, if every dictionary is of the kind that can be: a user may have put in others, which are then looked
    through at every step."""
    if isinstance(states, States):
        watch = states.watch
        watch.changed = not all(isinstance(entry, ParamStates) and entry.watch is watch for entry in states.values())
