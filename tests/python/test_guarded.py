"""Nothing is read or written that is not of a living tensor, whatever a program does to its tensors between steps (`guarded.py`)."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("guarded.py")
PROGRAMS = re.findall(r"^def (\w+)\(\):$", SCRIPT.read_text().partition("# ---- programs")[2], re.MULTILINE)


@pytest.fixture(scope="module")
def results():
    command = [sys.executable, "-W", "ignore", str(SCRIPT)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout.splitlines()


@pytest.mark.parametrize("program", PROGRAMS)
def test_memory_is_used_only_while_it_is_held(program, results):
    lines = [line for line in results if line.startswith(f"{program} | ")]
    assert len(lines) == 2 and all(line.endswith("| right") for line in lines), lines
