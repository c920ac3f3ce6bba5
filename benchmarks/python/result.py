"""What a row has come to: medians, predictions, and whether it reaches what it must."""

from timing import spread


class Result:
    """The measured candidates of a row beside the bandwidth of the same minutes."""

    def __init__(self, row, bandwidth):
        self.row, self.bandwidth, self.recorded = row, bandwidth, {}
        self.device = {c.name: spread(c.device_times) for c in row.candidates if c.device_times}
        self.caller = {c.name: spread(c.host_times) for c in row.candidates if c.host_times}

    def has(self, name):
        return any(self._named(name))

    def _named(self, name):
        return [c for c in self.device if c == name] or [c for c in self.device if c.startswith(name + " ")]

    def time(self, name):
        """Seconds of a candidate; of "optim" the fastest way in which it is called."""
        return min(self.device[c]["median"] for c in self._named(name))

    def host(self, name):
        return self.caller[name]["median"]

    def peers(self):
        return {name: s["median"] for name, s in self.device.items() if not name.startswith((*self.row.bytes, "optim"))}

    def predicted(self, prefix):
        """Seconds: the bytes that a step must move over the measured bandwidth."""
        return self.row.bytes[prefix] / self.bandwidth.rate

    def bytes_more(self, prefix, other):
        """For each parameter."""
        return (self.row.bytes[prefix] - self.row.bytes[other]) / self.row.parameters

    def over_minimum(self, floats):
        return self.time("optim") / (4 * floats * self.row.parameters / self.bandwidth.rate)

    def record(self, name, value):
        self.recorded[name] = value

    def _check(self, check):
        try:
            value = check.figure(self)
        except (KeyError, ValueError):  # a candidate that it needs is not there
            value = None
        met = None if value is None else bool(value >= check.bound if check.at_least else value <= check.bound)
        sign = ">=" if check.at_least else "<="
        return {"what": check.what, "value": value, "bound": f"{sign} {check.bound:g}", "met": met}

    def as_json(self, name, device, launches):
        row, rate = self.row, self.bandwidth.rate
        if row.afterwards:
            row.afterwards(self)
        entries = []
        for candidate in row.candidates:
            entry = {"name": candidate.name}
            if candidate.failure:
                entry["failure"] = candidate.failure
            else:
                entry["seconds"] = self.device[candidate.name]
                entry["host_seconds"] = self.caller[candidate.name]["median"]
            entries.append(entry)
        return {
            "case": name,
            "what": row.what,
            "parameters": row.parameters,
            "tensors": row.tensors,
            "bytes_per_step": row.bytes,
            "minimal_bytes": 4 * row.minimal_floats * row.parameters if row.minimal_floats else None,
            "bandwidth": rate,
            "predicted_seconds": {prefix: bytes_ / rate for prefix, bytes_ in row.bytes.items()},
            "candidates": entries,
            "launches": launches,
            "checks": [self._check(c) for c in row.checks if c.device in (device, "any")],
            "notes": row.notes,
            **self.recorded,
        }
