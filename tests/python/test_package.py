"""The module as users get it: without torch, installed by pip, its README, the errors of a missing library."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import optim

MODULE = Path(__file__).resolve().parents[2] / "bindings" / "python"


def python(code, **environment):
    given = {**os.environ, "PYTHONPATH": str(MODULE), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, timeout=300)


def test_arrays_do_not_import_torch():
    code = """
import sys, numpy, optim
weights = numpy.ones((4, 3), numpy.float32)
optimizer = optim.arrays.AdamW([weights], lr=0.1)
optimizer.step([numpy.ones_like(weights)])
assert numpy.allclose(weights, 0.899, atol=1e-3), weights
optim.functions.centralize(weights)
assert optim.schedules.LinearWarmupSchedule(lr=1.0, warmup_steps=10)(1) >= 0
assert "torch" not in sys.modules
"""
    result = python(code)
    assert result.returncode == 0, result.stderr


def test_without_torch_the_error_says_so():
    code = """
import sys
sys.modules["torch"] = None  # as if it were not installed
import optim
assert optim.arrays.SGD
for name in ("AdamW", "Lookahead", "load_optimizer"):
    try:
        getattr(optim, name)
    except ImportError as error:
        assert f"optim.{name} needs torch" in str(error), error
    else:
        raise AssertionError(name)
"""
    result = python(code)
    assert result.returncode == 0, result.stderr


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'AdaNothing'"):
        optim.AdaNothing


@pytest.mark.parametrize(
    ("library", "message"),
    [
        ("/no/such/liboptim.so", "looked for /no/such/liboptim.so. Build it .* or set OPTIM_LIBRARY"),
        (__file__, "test_package.py is no library that can be loaded"),
        (numpy.core._multiarray_umath.__file__, "is no Optim library: it has no optim_version"),
    ],
)
def test_a_library_that_is_missing_or_none(library, message):
    result = python("import optim", OPTIM_LIBRARY=library)
    assert result.returncode != 0
    assert re.search(message, result.stderr), result.stderr


def test_pip_installs_it_with_the_library(tmp_path):
    """Offline, from a copy of the folder; then it is used with nothing else set."""
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(MODULE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, str(source)],
        env={**os.environ, "OPTIM_LIBRARY": optim.path},
        check=True,
        capture_output=True,
        timeout=300,
    )
    code = """
import optim, torch
print(optim.path)
param = torch.nn.Parameter(torch.ones(3))
param.grad = torch.ones(3)
optim.SGD([param], lr=1.0).step()
assert torch.equal(param.detach(), torch.zeros(3))
"""
    environment = {name: value for name, value in os.environ.items() if name != "OPTIM_LIBRARY"}
    environment["PYTHONPATH"] = str(target)
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(target / "optim" / "liboptim.so")
    assert (target / f"optim-{optim.version}.dist-info").is_dir()


@pytest.mark.parametrize(("readme", "least"), [(MODULE / "README.md", 8), (MODULE.parents[1] / "README.md", 1)])
def test_every_snippet_of_the_readmes_runs(readme, least, tmp_path):
    snippets = re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)
    assert len(snippets) >= least
    code = "\n".join(snippets)
    given = {**os.environ, "PYTHONPATH": str(MODULE), "OPTIM_LIBRARY": optim.path}
    result = subprocess.run([sys.executable, "-c", code], env=given, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
