"""Learning-rate schedules of the library: a class for each, such as `CosineSchedule(max_lr=1e-3, t_max=100)`, whose objects
are called with the number of a step, 1 for the first. A pure function: a resumed run continues with its step alone."""

import ctypes
import inspect
from array import array

from ._library import check, lib
from ._schema import SCHEDULES


class Schedule:
    """A schedule; subclasses have a `schema`."""

    schema = None

    def __init__(self, arguments):
        self._values = array("d")
        for hyper in self.schema.hypers:
            value = arguments.get(hyper.name, hyper.value(hyper.default))
            listed = value if hyper.variadic and isinstance(value, (list, tuple)) else [value]
            self._values.extend(hyper.number(item) for item in listed)
        self.arguments = dict(arguments)
        self(1)  # a value that is not allowed is refused now

    def __call__(self, step):
        """The learning rate to make a step with: 1, 2, ..."""
        try:
            whole = int(step)
        except (TypeError, ValueError, OverflowError):
            whole = None
        if whole is None or whole != step:
            raise ValueError(f"step is {step!r}; a whole number is needed")
        rate = ctypes.c_double()
        address, count = self._values.buffer_info()
        check(lib.optim_schedule_value(self.schema.name.encode(), address, count, whole, ctypes.byref(rate)))
        return rate.value

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"


def _make_class(schema):
    kind = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.Signature(
        inspect.Parameter(h.name, kind, default=inspect.Parameter.empty if h.default is None else h.value(h.default))
        for h in schema.hypers
    )

    def __init__(self, *args, **kwargs):
        try:
            arguments = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{schema.class_name}: {error}") from None
        Schedule.__init__(self, arguments)

    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = signature.replace(parameters=[this, *signature.parameters.values()])
    lines = [schema.summary, "", schema.paper, schema.url, "", "Args:"]
    lines += [f"    {hyper.name}: {hyper.doc} Allowed: {hyper.allowed}." for hyper in schema.hypers]
    members = {"__init__": __init__, "__doc__": "\n".join(lines), "__module__": __name__, "schema": schema}
    return type(schema.class_name, (Schedule,), members)


CLASSES = {schema.class_name: _make_class(schema) for schema in SCHEDULES}
globals().update(CLASSES)
__all__ = ["Schedule", *CLASSES]
