"""The keyword arguments of optimizers: what a rule's schema makes of them, their check, and the way to a row of numbers."""

import difflib
import inspect
import warnings

from . import _schema

# Arguments that choose among the implementations of other libraries and mean nothing here.
IGNORED = ("foreach", "fused", "use_svd")


class Options:
    """The options of a rule: those of parameter groups, then those of helpers, which hold for all groups."""

    def __init__(self, rule):
        self.rule = rule
        self.hypers = {hyper.name: hyper for hyper in rule.hypers}
        betas = []
        while f"beta{len(betas) + 1}" in self.hypers:
            betas.append(f"beta{len(betas) + 1}")
        self.betas = tuple(betas) if len(betas) > 1 else ()
        self.defaults = {}  # of a parameter group, in the order of the schema
        for hyper in rule.hypers:
            if hyper.name not in self.betas:
                self.defaults[hyper.name] = hyper.value(hyper.default)
            elif "betas" not in self.defaults:
                self.defaults["betas"] = tuple(self.hypers[beta].default for beta in self.betas)
        self.helpers = {helper.name: helper for helper in _schema.HELPERS if helper.name not in self.hypers}
        self.spellings = {foreign: hyper.name for hyper in rule.hypers for foreign in hyper.spellings}

    def translate(self, values):
        """A dictionary with the names of this rule in place of other spellings; a name of the rule wins over another."""
        named = {name: value for name, value in values.items() if name not in self.spellings}
        for foreign, name in self.spellings.items():
            if foreign in values:
                named.setdefault(name, values[foreign])
        return named

    def completed(self, group):
        """A new group, with the values that a 0 stands for."""
        found = dict(group)
        for hyper in self.rule.hypers:
            if hyper.like is not None and found[hyper.name] == 0:
                found[hyper.name] = found[hyper.like]
        return found

    def look_at(self, group):
        """Refuses a helper among the options of a group, and warns of what is nearly the name of an option. Other names that are none of
        the rule's are kept, as torch keeps them."""
        for name in group:
            if name in self.helpers:
                raise TypeError(f"{name} is an option of the optimizer, for all groups; a parameter group cannot have it")
            known = name == "params" or name in self.defaults or name in self.spellings
            near = [] if known else difflib.get_close_matches(name, self.defaults, n=1, cutoff=0.85)
            if near:
                warnings.warn(f"{self.rule.class_name} has no option {name}; did you mean {near[0]}?", stacklevel=5)

    def states(self, group):
        """Which of the states that an option decides about exist in a group."""
        found = []
        for slot in self.rule.slots:
            if slot.when:
                hyper, value = self.hypers[slot.when], group[slot.when]
                word = hyper.words[int(hyper.number(value))] if slot.when_words else None
                found.append(word in slot.when_words if slot.when_words else hyper.number(value) != 0)
        return found

    def row(self, group):
        """The hyper-parameters of a group as the library reads them."""
        betas = iter(())
        if self.betas:
            betas = group["betas"]
            if len(betas) != len(self.betas):
                raise ValueError(f"betas is {betas!r}; {self.rule.name} has {len(self.betas)} of them")
            betas = iter(betas)
        return tuple(
            hyper.number(next(betas) if hyper.name in self.betas else group[hyper.name]) for hyper in self.rule.hypers
        )

    def split(self, arguments):
        """The arguments of a constructor (`bound`) as options of groups, and of helpers."""
        group = {name: arguments.get(name, default) for name, default in self.defaults.items()}
        return group, {name: arguments[name] for name in self.helpers if name in arguments}

    def switches(self, helpers):
        """Helper options as members of optim_helpers."""
        unknown = [name for name in helpers if name not in self.helpers]
        if unknown:
            raise TypeError(f"{self.rule.class_name} has no helper {', '.join(unknown)}; it has {', '.join(self.helpers)}")
        numbers = {name: self.helpers[name].number(value) for name, value in helpers.items()}
        return {
            name: value if self.helpers[name].kind == "real" else int(value) for name, value in numbers.items() if value
        }

    def signature(self, extra=()):
        """(params, ..., lr, betas, *, the rest): what follows is told by name, since its order differs between libraries."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        last = max((i for i, name in enumerate(self.defaults) if name in ("lr", "betas")), default=-1)
        parameters = [inspect.Parameter("params", kind)]
        for i, (name, default) in enumerate(self.defaults.items()):
            kind = inspect.Parameter.KEYWORD_ONLY if i > last else kind
            parameters.append(inspect.Parameter(name, kind, default=default))
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters += [inspect.Parameter(name, kind, default=default) for name, default in extra]
        for helper in self.helpers.values():
            parameters.append(inspect.Parameter(helper.name, kind, default=helper.value(helper.default)))
        return inspect.Signature(parameters)

    def doc(self, extra=()):
        """The documentation of the rule's class. `extra` are further arguments and their text."""
        rule = self.rule
        lines = [rule.summary, "", f"{rule.paper}", rule.url, "", "Args:"]
        lines.append("    params: parameters, or dictionaries of parameter groups.")
        for name in self.defaults:
            if name == "betas":
                lines.append(f"    betas: {'; '.join(self._text(beta) for beta in self.betas)}")
            else:
                lines.append(f"    {name}: {self._text(name)}")
        lines += [f"    {name}: {text}" for name, text in extra]
        lines += ["", "Helpers, for all groups (0 or False switches one off):"]
        for helper in self.helpers.values():
            words = f" Allowed: {helper.allowed}." if helper.words else ""
            lines.append(f"    {helper.name}: {helper.doc}.{words}")
        lines += ["", "States of each parameter:"]
        for slot in rule.slots:
            when = f" Only where {slot.when} is {' or '.join(slot.when_words) or 'on'}." if slot.when else ""
            lines.append(f"    {slot.name}: {slot.doc}{when}")
        if not rule.slots:
            lines.append("    none")
        if rule.needs:
            lines += ["", f"A step takes further inputs, named {', '.join(rule.needs)}."]
        return "\n".join(lines)

    def _text(self, name):
        hyper = self.hypers[name]
        like = f" 0 stands for {hyper.like}." if hyper.like else ""
        return f"{hyper.doc} Allowed: {hyper.allowed}.{like}"


def bound(signature, name, args, kwargs, options):
    """The arguments of a call of a constructor by name, other spellings among them."""
    known = options.translate({key: value for key, value in kwargs.items() if key not in IGNORED})
    unknown = [key for key in known if key not in signature.parameters]
    if unknown:
        allowed = ", ".join(key for key in signature.parameters if key != "params")
        raise TypeError(f"{name} has no option {', '.join(unknown)}; it has {allowed}")
    try:
        return signature.bind(*args, **known).arguments
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
