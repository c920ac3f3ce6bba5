"""Learning-rate schedules, against the golden cases."""

import inspect

import pytest
import torch
from golden import cases
from support import model, train

import optim
from optim import schedules

BY_NAME = {chosen.schema.name: chosen for chosen in schedules.CLASSES.values()}
CASES = [case for case in cases() if case.item in BY_NAME and "out.lr" in case.tensors]


def test_every_schedule_has_a_class():
    assert [chosen.schema for chosen in schedules.CLASSES.values()] == list(optim.SCHEDULES)


def test_there_are_cases():
    assert len({case.item for case in CASES}) >= len(BY_NAME) - 1  # Proportion's are of another form


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case):
    chosen = BY_NAME[case.item]
    names = {hyper.name for hyper in chosen.schema.hypers}
    schedule = chosen(**{name: value for name, value in case.hypers.items() if name in names})
    rates = case.tensors["out.lr"]
    assert [schedule(n) for n in range(1, len(rates) + 1)] == pytest.approx(rates.tolist(), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("chosen", list(BY_NAME.values()), ids=lambda c: c.__name__)
def test_signature_and_documentation(chosen):
    parameters = inspect.signature(chosen).parameters
    assert list(parameters) == [hyper.name for hyper in chosen.schema.hypers]
    for hyper in chosen.schema.hypers:
        assert (parameters[hyper.name].default is inspect.Parameter.empty) == (hyper.default is None)
        assert hyper.doc in chosen.__doc__
    if any(hyper.default is None for hyper in chosen.schema.hypers):
        with pytest.raises(TypeError, match=f"{chosen.__name__}: missing a required argument"):
            chosen()


def test_as_a_scheduler_of_torch():
    made = model()
    schedule = schedules.CosineSchedule(max_lr=0.1, t_max=20, warmup_steps=5)
    optimizer = optim.SGD([{"params": [p]} for p in made.parameters()], lr=1.0)
    scheduler = optim.ScheduleLR(optimizer, schedule)
    rates = []
    for _ in range(10):
        rates.append([group["lr"] for group in optimizer.param_groups])
        train(made, optimizer, 1)
        scheduler.step()
    assert rates == [[schedule(n)] * 4 for n in range(1, 11)]
    state = scheduler.state_dict()
    other = optim.ScheduleLR(torch.optim.SGD(made.parameters(), lr=1.0), schedule)
    other.load_state_dict(state)
    other.step()
    assert other.get_last_lr() == [schedule(12)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.CosineSchedule(max_lr=-1, t_max=3), "max_lr"),
        (lambda: schedules.CosineSchedule(max_lr=1, t_max=3, speed=2), "CosineSchedule: got an unexpected keyword"),
        (lambda: schedules.CosineSchedule(max_lr=1, t_max=3)(0), "step"),
        (lambda: schedules.MultiStepSchedule(lr=1, milestones="late"), "milestones is 'late'"),
    ],
)
def test_misuse(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_repr_tells_the_arguments():
    assert repr(schedules.StepSchedule(lr=1.0, step_size=3)) == "StepSchedule(lr=1.0, step_size=3)"
