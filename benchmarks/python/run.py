#!/usr/bin/env python3
"""Times the library's steps beside torch's, and writes the results as JSON: see ../NOTES.md.

    OPTIM_LIBRARY=build/cuda/lib/liboptim.so python3 benchmarks/python/run.py --output results.json
"""

import argparse
import gc
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bindings" / "python"))

import torch  # noqa: E402

import cases  # noqa: E402
import environment  # noqa: E402
import library  # noqa: E402
import optim  # noqa: E402
import roots  # noqa: E402
from result import Result  # noqa: E402
from timing import Bandwidth, measure  # noqa: E402

CASES = {**cases.CASES, **roots.CASES}
GPU_ONLY = cases.GPU_ONLY | roots.GPU_ONLY
SIZES = {"cuda": "full", "cpu": "cpu"}
BANDWIDTH_MI = {"full": 512, "cpu": 128, "tiny": 1}  # floats of the buffer, in Mi


def arguments(given):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; none: all")
    parser.add_argument("--device", choices=SIZES, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", choices=BANDWIDTH_MI, help="of the tensors; the default is that of the device")
    parser.add_argument("--repeats", type=int, default=50, help="samples of each candidate (50)")
    parser.add_argument("--budget", type=float, default=60, help="seconds of a case, after which samples end early (60)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU, for all (all cores)")
    parser.add_argument("--commit", help="the commit of this source, where git cannot tell")
    parser.add_argument("--output", type=Path, help="JSON file; one that is there is extended, case by case")
    chosen = parser.parse_args(given)
    chosen.size = chosen.size or SIZES[chosen.device]
    unknown = [name for name in chosen.cases if name not in CASES]
    if unknown:
        parser.error(f"there is no case {', '.join(unknown)}; allowed are {', '.join(CASES)}")
    # What a CPU's memory or patience cannot hold runs there when it is asked for by name only.
    skipped = GPU_ONLY if chosen.size == "cpu" else set()
    chosen.cases = chosen.cases or [name for name in CASES if name not in skipped]
    return chosen


def run_case(name, context, chosen):
    row = CASES[name](context)
    launches = library.launches(row.counted) if row.counted and chosen.device == "cuda" else None
    bandwidth = Bandwidth(context.device, BANDWIDTH_MI[context.size] << 20)
    measure(row.candidates, bandwidth, context.device, chosen.repeats, chosen.budget)
    return Result(row, bandwidth).as_json(name, chosen.device, launches)


def summary(found):
    lines = [f"{found['case']}: {found['what']}; bandwidth {found['bandwidth'] / 1e9:.1f} GB/s"]
    for prefix, seconds in found["predicted_seconds"].items():
        lines.append(f"  {prefix + ' predicted':24}{seconds * 1e3:12.4f} ms")
    for c in found["candidates"]:
        if "failure" in c:
            lines.append(f"  {c['name']:24}{c['failure']}")
        else:
            s = c["seconds"]
            lines.append(
                f"  {c['name']:24}{s['median'] * 1e3:12.4f} ms  ({s['low'] * 1e3:.4f} to {s['high'] * 1e3:.4f}, {s['samples']} samples;"
                f" host {c['host_seconds'] * 1e6:.1f} us)"
            )
    for c in found["checks"]:
        value = "not measured" if c["value"] is None else f"{c['value']:.4g}"
        lines.append(f"  {c['what']}: {value} ({c['bound']}){'' if c['met'] else '  MISSED' if c['met'] is False else ''}")
    return "\n".join(lines)


def main(given=None):
    chosen = arguments(given)
    device = torch.device(chosen.device)
    torch.set_num_threads(chosen.threads)
    optim.set_num_threads(chosen.threads)
    results = {"format": "optim-bench-1", "environment": environment.describe(device, chosen.threads, chosen.commit), "cases": []}
    if chosen.output and chosen.output.exists():
        results["cases"] = json.loads(chosen.output.read_text())["cases"]
    context = cases.Context(device, chosen.size)
    failed = False
    for name in chosen.cases:
        try:
            found = run_case(name, context, chosen)
        except Exception as error:  # noqa: BLE001 - the other cases are still to be measured
            failed = True
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        finally:
            gc.collect()
            if chosen.device == "cuda":
                torch.cuda.empty_cache()
        print(summary(found), flush=True)
        results["cases"] = [c for c in results["cases"] if c["case"] != name] + [found]
        results["cases"].sort(key=lambda c: list(CASES).index(c["case"]))
        if chosen.output:
            chosen.output.write_text(json.dumps(results, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
