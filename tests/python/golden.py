"""The golden cases of tests/golden (README.md there), read without the safetensors package."""

import json
import struct
from pathlib import Path

import numpy

FOLDER = Path(__file__).resolve().parents[1] / "golden"
_TYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}


class Case:
    """A file: its metadata, and its tensors by name."""

    def __init__(self, path):
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        meta = header.pop("__metadata__")
        data = content[8 + length :]
        self.name = path.stem
        self.item = meta["optimizer"]
        self.hypers = {k: v for k, v in json.loads(meta["hyperparameters"]).items() if v is not None}
        self.steps = int(meta["steps"])
        self.recorded = json.loads(meta["recorded"])
        self.tensors = {}
        for name, tensor in header.items():
            begin, end = tensor["data_offsets"]
            self.tensors[name] = numpy.frombuffer(data[begin:end], _TYPES[tensor["dtype"]]).reshape(tensor["shape"])


def cases():
    return [Case(path) for path in sorted(FOLDER.glob("*.safetensors"))]


def tolerances():
    """Of each case a function (tensor, expected, initial) of the error allowed in float32."""
    found = {}
    for line in (FOLDER / "float32-error-a.tsv").read_text().splitlines()[1:]:
        case, _, scaled, _, state = line.split("\t")[:5]
        found[case] = _of_set_a(float(scaled), _number(state))
    for line in (FOLDER / "float32-error-b.tsv").read_text().splitlines()[1:]:
        case, _, error = line.split("\t")[:3]
        found.setdefault(case, _of_set_b(_number(error)))
    return found


def _number(text):
    try:
        return float(text)
    except ValueError:
        return 0.0


def _of_set_a(scaled, state):
    def allowed(tensor, expected, initial):
        if tensor.startswith("param."):
            return max(2e-6, 10 * scaled) * (norm(expected) + norm(initial))
        return max(4e-6, 10 * state) * norm(expected)

    return allowed


def _of_set_b(error):
    return lambda tensor, expected, initial: max(2e-6, 4 * error) * norm(expected)


def norm(values):
    return float(numpy.sqrt(numpy.sum(numpy.square(numpy.asarray(values, numpy.float64)))))
