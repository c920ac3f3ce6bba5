"""The circumstances of a run: device, driver, versions, date, commit. No names of hosts, no paths."""

import datetime
import platform
import re
import subprocess
from pathlib import Path

import optim
import torch


def _output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _cpu():
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return " ".join(found.group(1).split()) if found else platform.machine()


def describe(device, threads, commit=None):
    cuda = device.type == "cuda"
    changes = _output("git", "status", "--porcelain", "--untracked-files=no")
    return {
        "device": torch.cuda.get_device_name(device) if cuda else _cpu(),
        "driver": _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader") if cuda else None,
        "cpu": _cpu(),
        "threads": None if cuda else threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "optim": optim.version,
        "commit": commit or _output("git", "rev-parse", "--short=12", "HEAD"),
        "changed": bool(changes),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }
