"""What stops a run is the first error of the complete check, with the same words."""

import pytest

import ppl
from ppl._errors import PPLError
from tests import test_bad_inputs, test_bad_models
from tests.mistakes import Mistake

MODULES = (test_bad_inputs, test_bad_models)
CASES = [(module, mistake) for module in MODULES for mistake in module.MISTAKES]


IDS = [str(mistake) for _, mistake in CASES]


@pytest.mark.parametrize(("module", "mistake"), CASES, ids=IDS)
def test_the_check_tells_what_a_run_refuses(module, mistake: Mistake, monkeypatch):
    reports = []

    def check(model, *args, **kwargs):
        reports.append(ppl.check(model, *args, **kwargs))
        reports[-1].raise_if_wrong()

    monkeypatch.setattr(module, "check", check)
    with pytest.raises(mistake.error) as caught:
        mistake.make()
    message = str(caught.value)
    assert all(word in message for word in mistake.words), message
    assert caught.value.site == mistake.site
    for report in reports:
        first = report.errors[0]
        assert isinstance(first.error, PPLError)
        assert first.rule
        assert mistake.bare or first.remedy or first.value is not None
        assert ".py:" in first.line or ".py:" in first.rule, first
