"""Damaged arguments get a typed error or the right answer; nothing else.

`python -m tests.checks.test_fuzz` prints what every kind of damage gets.
"""

import warnings
from typing import Any

import numpy as np
import pytest

import ppl.distributions as dist
from ppl import sample
from ppl._errors import ArgumentTypeError, ModelError, PPLError
from ppl.checks import checked
from tests.checks.damage import CHANGES, HEALTHY, Healthy, clean

WORDS_OF_JAX = ("Tracer", "Traced<", "jaxpr", "ShapedArray", "dot_general", "XLA")
LARGEST = float(np.finfo(np.float32).max)
SOME = 70  # cases at each push


def cases() -> list[tuple[Healthy, str, Any, int]]:
    """Every change of every argument, and each change of elements at three places."""
    found = []
    for healthy in HEALTHY:
        for name in healthy.data:
            for number, change in enumerate(CHANGES):
                places = 2 if "element" in change.__name__ else 1
                found += [
                    (healthy, name, change, number + 97 * i) for i in range(places)
                ]
    order = np.random.default_rng(0).permutation(len(found))
    return [found[i] for i in order]


def told(healthy: Healthy, name: str, change: Any, seed: int) -> str:
    """What is wrong with the answer to one damaged argument; nothing if it is right."""
    data = dict(healthy.data)
    try:
        damaged = change(data[name], np.random.default_rng(seed))
    except (TypeError, ValueError):  # this cannot be done to this argument
        return ""
    data[name] = damaged
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            density = checked(healthy.model, (), data).density
            answer = float(density(np.zeros(density.layout.size, np.float32)))
        except PPLError as error:
            return _of_message(str(error))
        except Exception as error:  # noqa: BLE001  (that is what must not happen)
            return f"raw {type(error).__name__}: {str(error)[:150]}"
        if name == "y" and damaged is None:
            return "" if np.isfinite(answer) else "not finite"
        return _of_answer(answer, healthy, data)


def _of_message(message: str) -> str:
    leaked = [word for word in WORDS_OF_JAX if word in message]
    if leaked or len(message) < 20:
        return f"a message that says little: {message[:200]}"
    return ""


def _of_answer(answer: float, healthy: Healthy, data: dict[str, Any]) -> str:
    try:
        numbers = {name: clean(value) for name, value in data.items()}
        with np.errstate(all="ignore"):
            truth = float(healthy.truth(**numbers))
    except (TypeError, ValueError) as error:
        return f"accepted with {answer:.6g}, although: {error}"
    if not np.isfinite(truth) or abs(truth) > LARGEST:
        return "" if not np.isfinite(answer) else f"{answer}, but it is {truth}"
    if not abs(answer - truth) <= 1e-3 + 1e-4 * abs(truth):
        return f"{answer:.6g}, but it is {truth:.6g}"
    return ""


@pytest.mark.parametrize("healthy", HEALTHY, ids=str)
def test_undamaged_models_are_right(healthy):
    assert told(healthy, next(iter(healthy.data)), lambda v, _: v, 0) == ""


def _judge(chosen: list[Any]) -> list[str]:
    answers = [(case, told(*case)) for case in chosen]
    return [
        f"{case[0]}({case[1]} {case[2].__name__}): {answer}"
        for case, answer in answers
        if answer
    ]


@pytest.mark.parametrize("part", range(4))
def test_damage_is_told_or_harmless(part):
    wrong = _judge(cases()[part * SOME : (part + 1) * SOME])
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize("healthy", HEALTHY, ids=str)
def test_wrong_names_are_told(healthy):
    for name in healthy.data:
        rest = {k: v for k, v in healthy.data.items() if k != name}
        with pytest.raises(ArgumentTypeError, match=rf"Did you mean '{name}'"):
            checked(healthy.model, (), {**rest, f"{name}_": healthy.data[name]})
    with pytest.raises(ArgumentTypeError, match="called without its argument"):
        checked(healthy.model, (), {})
    many = (*healthy.data.values(), 1.0)
    with pytest.raises(ArgumentTypeError, match="cannot be called so"):
        checked(healthy.model, many, {})


def test_what_a_model_raises_itself_stays_as_it_is():
    def model(y):
        raise KeyError("of the model's own")

    with pytest.raises(KeyError, match="of the model's own"):
        checked(model, (1.0,), {})


def test_a_mistake_in_the_model_is_told_with_its_line():
    def model(columns):
        sample("x", dist.Normal(columns["wdith"], 1.0))

    with pytest.raises(ModelError, match=r"test_fuzz.py:\d+ with KeyError: 'wdith'"):
        checked(model, ({"width": 1.0},), {})


def test_a_failure_tells_line_and_arguments():
    with pytest.raises(ArgumentTypeError) as caught:
        checked(HEALTHY[0].model, (np.zeros((6, 3)),), {"y": [0.0] * 6})
    message = str(caught.value)
    assert "fails at damage.py:" in message
    assert "a matrix product needs the inner dims to be equal, got (3,)" in message
    assert "argument 0 is an array of float64 and shape (6, 3)" in message
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.slow
def test_all_damage_is_told_or_harmless():
    assert len(cases()) > 500
    wrong = _judge(cases()[4 * SOME :])
    assert not wrong, "\n".join(["", *wrong])


if __name__ == "__main__":
    print(len(cases()), "cases")
    print("\n".join(_judge(cases())))
