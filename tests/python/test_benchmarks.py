"""The programs of benchmarks/python: they run, what they compare computes the same, and their tables are those of their results."""

import json
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS / "python"))

import cases  # noqa: E402
import library  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import roots  # noqa: E402
import run  # noqa: E402
import shapes  # noqa: E402

import optim  # noqa: E402

RESULTS = sorted((BENCHMARKS / "results").glob("*.json"))


@pytest.fixture
def threads():
    """What a run sets for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    optim.set_num_threads(0)


def test_every_case_runs(tmp_path, threads):
    output = tmp_path / "results.json"
    assert run.main(["--device", "cpu", "--size", "tiny", "--repeats", "3", "--output", str(output)]) == 0
    results = json.loads(output.read_text())
    assert [case["case"] for case in results["cases"]] == list(run.CASES)
    for case in results["cases"]:
        assert case["bandwidth"] > 0
        assert not [c for c in case["candidates"] if "failure" in c]
        assert all(c["seconds"]["samples"] == 3 and c["seconds"]["median"] > 0 for c in case["candidates"])
    report.main([str(output)])
    assert output.with_suffix(".md").read_text().count("\n| ") >= len(run.CASES)
    assert output.with_suffix(".svg").read_text().count("<rect") > 2 * len(run.CASES)


def test_results_extend_those_that_are_there(tmp_path, threads):
    output = tmp_path / "results.json"
    for name in ("nero", "lamb", "nero"):
        run.main(["--device", "cpu", "--size", "tiny", "--repeats", "3", "--output", str(output), name])
    assert [case["case"] for case in json.loads(output.read_text())["cases"]] == ["lamb", "nero"]


def test_unknown_cases_are_refused(capsys):
    with pytest.raises(SystemExit):
        run.main(["sgd_flat"])
    assert "sgd_flat" in capsys.readouterr().err


@pytest.mark.parametrize("name", peers.PLAIN)
def test_plain_implementations_step_as_the_library(name):
    context = cases.Context(torch.device("cpu"), "tiny")
    listed = [(12, 40), (50,), (6, 5, 3)]
    ours, theirs = context.params(listed), context.params(listed)
    options = library.OPTIONS.get(name, {})
    optimizer, plain = getattr(optim, name)(ours, **options), peers.PLAIN[name](theirs)
    for step in range(11):
        for a, b in zip(ours, theirs):
            a.grad = torch.randn(a.shape, generator=torch.Generator().manual_seed(step)) * 1e-3
            b.grad = a.grad.clone()
        optimizer.step()
        plain.step()
    begin = context.params(listed)
    for a, b, start in zip(ours, theirs, begin):
        assert not torch.equal(a, start)
        moved = float((a - start).abs().max())
        assert float((a - b).abs().max()) < 1e-4 * moved + 2**-24 * float(a.abs().max())


def test_roots_of_all_candidates_are_roots():
    a = roots.matrices(3, 24, torch.device("cpu"))
    by_library = library.Roots("optim_inverse_root", a, roots.POWER, roots.RIDGE, None)
    by_library.step()
    for root in (by_library.root, roots.by_eigenvalues(a), roots.by_newton(a)):
        assert roots.residual(root, a) < 1e-3


@pytest.mark.parametrize(
    ("name", "parameters", "tensors"),
    [("resnet50", 25557032, 161), ("gpt2", 124439808, 148), ("llama_1b", 1235814400, 146)],
)
def test_shapes_are_those_of_the_models(name, parameters, tensors):
    listed = shapes.MODELS[name]()
    assert shapes.count(listed) == parameters
    assert len(listed) == tensors


def test_there_are_results():
    assert RESULTS


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_tables_and_pictures_are_those_of_the_results(path):
    results = json.loads(path.read_text())
    assert path.with_suffix(".md").read_text() == report.table(results)
    assert path.with_suffix(".svg").read_text() == report.picture(results)
