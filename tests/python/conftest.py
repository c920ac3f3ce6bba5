"""The tests run against the module in bindings/python of this checkout, installed or not."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bindings" / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch  # noqa: E402

# Not collected rather than skipped where they cannot run; README.md of this folder says so.
collect_ignore = []
if not torch.cuda.is_available():
    collect_ignore.append("test_cuda.py")
if sys.platform != "linux":
    collect_ignore.append("test_guarded.py")
if os.environ.get("OPTIM_TEST_DEVICE") != "cuda":
    collect_ignore.append("test_device_arrays.py")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(1)
