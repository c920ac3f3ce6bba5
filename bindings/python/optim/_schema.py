"""The catalogue of the loaded library: rules with their hyper-parameters and states, schedules, and helpers."""

import json
import re
from dataclasses import dataclass

from . import _abi
from ._library import lib


@dataclass(frozen=True)
class Hyper:
    """A hyper-parameter as the library knows it: a number in a row of doubles."""

    name: str
    default: float  # None: it must be given
    minimum: float  # None: no bound
    maximum: float
    minimum_open: bool
    maximum_open: bool
    kind: str  # "real", "integer", "boolean" or "word"
    words: tuple
    like: str  # None, or the hyper-parameter whose value a 0 takes
    variadic: bool
    doc: str

    def value(self, number):
        """The Python value of a number of the library."""
        if number is None:
            return None
        if self.kind == "boolean":
            return number != 0
        if self.kind == "word":
            return self.words[int(number)]
        return int(number) if self.kind == "integer" else float(number)

    def number(self, value):
        """The number of the library for a Python value."""
        if self.kind == "word":
            if isinstance(value, int) and 0 <= value < len(self.words):  # the members of an IntEnum
                return float(value)
            if str(value).lower() not in self.words:
                raise ValueError(f"{self.name} is {value!r}; allowed is one of {', '.join(self.words)}")
            return float(self.words.index(str(value).lower()))
        if isinstance(value, (str, bytes)):  # float would parse it
            raise TypeError(f"{self.name} is {value!r}; a number is needed")
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{self.name} is {value!r}; a number is needed") from None

    @property
    def allowed(self):
        """The allowed values, in words."""
        if self.kind == "boolean":
            return "True or False"
        if self.kind == "word":
            return " or ".join(map(repr, self.words))
        low = "" if self.minimum is None else ("> " if self.minimum_open else ">= ") + format(self.minimum, "g")
        unbounded = self.maximum is None or self.maximum >= 2**53  # what a double can count to
        high = "" if unbounded else ("< " if self.maximum_open else "<= ") + format(self.maximum, "g")
        bounds = " and ".join(bound for bound in (low, high) if bound)
        return ("whole, " if self.kind == "integer" else "") + bounds if bounds else "any number"


@dataclass(frozen=True)
class Slot:
    """A state that a rule keeps of each parameter."""

    name: str
    shape: str
    initial: str
    role: str
    when: str
    when_words: tuple
    doc: str


@dataclass(frozen=True)
class Rule:
    """An optimizer of the catalogue."""

    name: str
    title: str
    paper: str
    url: str
    summary: str
    shape: str
    needs: tuple
    hypers: tuple
    slots: tuple

    @property
    def class_name(self):
        """The title where that is the name in proper spelling, as "AdamW" or "DiffGrad"."""
        title = "".join(letter for letter in self.title if letter.isalnum())
        if title.lower() == self.name.replace("_", ""):
            return title[0].upper() + title[1:]
        return pascal(self.name)


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule of the catalogue."""

    name: str
    title: str
    paper: str
    url: str
    summary: str
    hypers: tuple

    @property
    def class_name(self):
        return pascal(self.name if self.name.endswith("_schedule") else self.name + "_schedule")


def pascal(name):
    return "".join(word[0].upper() + word[1:] for word in name.split("_"))


def key(name):
    """Names without regard to case and to what separates their words: "AdamW", "adam-w" and "ADAM_W" have one key."""
    return re.sub("[-_ ]", "", name).lower()


def _read(kind, node, **parts):
    fields = kind.__dataclass_fields__
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in {**node, **parts}.items() if k in fields})


def _hypers(node):
    return tuple(_read(Hyper, hyper) for hyper in node["hypers"])


def _helpers():
    """The switches and numbers of optim_helpers. The header's comments say what an int32_t is: "1: ..." a switch,
    "OPTIM_NAME_..." one of the constants of that prefix."""
    found = []
    for name, kind in _abi.Helpers._fields_:
        if name in ("size", "reserved"):
            continue
        doc, words = _abi.Helpers.docs[name].rstrip("."), ()
        constants = re.match("OPTIM_([A-Z]+_)\\.\\.\\.", doc)
        if constants:
            prefix = constants.group(1)
            values = {getattr(_abi, n): n[len(prefix) :].lower() for n in dir(_abi) if n.startswith(prefix)}
            words, kind_name = tuple(values[i] for i in range(len(values))), "word"
            doc = doc[constants.end() :].lstrip(": ")
        elif doc.startswith("1:"):
            doc, kind_name = doc[2:].strip(), "boolean"
        else:
            kind_name = "integer" if kind is _abi.c_int32 else "real"
        found.append(Hyper(name, 0, None, None, False, False, kind_name, words, None, False, doc))
    return tuple(found)


_document = json.loads(lib.optim_schema_json().decode())
RULES = tuple(
    _read(Rule, node, hypers=_hypers(node), slots=tuple(_read(Slot, slot) for slot in node["slots"]))
    for node in _document["rules"]
)
SCHEDULES = tuple(_read(Schedule, node, hypers=_hypers(node)) for node in _document["schedules"])
HELPERS = _helpers()


def find_rule(name):
    """The rule of a name in any usual spelling; NotImplementedError if there is none."""
    for rule in RULES:
        if key(name) in (key(rule.name), key(rule.title)):
            return rule
    raise NotImplementedError(f"there is no optimizer {name!r}; the library has {', '.join(r.name for r in RULES)}")
