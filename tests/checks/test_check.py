"""The complete check: every kind of finding where it is true, and only there."""

import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from benchmarks.models import PROBLEMS
from examples import eight_schools, logistic_regression
from ppl import factor, plate, sample
from ppl._errors import DuplicateSiteError, ParameterError, ShapeError
from tests.checks.telling import advice, changepoint, normal
from tests.test_healthy_models import HEALTHY

RNG = np.random.default_rng(0)
Y = RNG.normal(size=20)


# --- healthy models -------------------------------------------------------------------

FUNNELS = {  # sites of latent scale with few data or none: the advice is true
    "eight_schools": {("funnel", "theta")},
    "horseshoe": {("funnel", "beta")},
    "prior_only": {("funnel", "x")},
    "wrapped_in_many_handlers": {("funnel", "a/y")},
}


@pytest.mark.parametrize(("model", "args", "kwargs"), HEALTHY)
def test_healthy_models_get_true_advice_alone(model, args, kwargs):
    report = ppl.check(model, *args, **kwargs)
    assert report.ok, report
    found = {(f.kind, f.site) for f in report.advice}
    assert found == FUNNELS.get(model.__name__, set()), report


@pytest.mark.parametrize("name", PROBLEMS)
def test_models_of_the_benchmarks_get_true_advice_alone(name):
    problem = PROBLEMS[name]
    expected = {("funnel", "theta")} if name == "eight_centred" else set()
    assert advice(problem.write(ppl), *problem.data()) == expected


@pytest.mark.parametrize("form", ["centred", "non_centred"])
def test_eight_schools_of_the_examples(form):
    model = getattr(eight_schools, form)
    expected = {("funnel", "theta")} if form == "centred" else set()
    assert advice(model, eight_schools.EFFECT, eight_schools.ERROR) == expected


def test_logistic_regression_of_the_examples():
    features, train, _ = logistic_regression.load(0)
    assert advice(logistic_regression.make_model(features), *train) == set()


# --- errors ---------------------------------------------------------------------------


def test_errors_do_not_hide_one_another():
    def model(y, n):
        x = normal()
        normal("z", scale=x)
        sample("y", dist.Poisson(jnp.exp(x)), obs=y)
        sample("n", dist.Gamma(1.0, 1.0), obs=n)

    report = ppl.check(model, np.array([1.0, -1.0]), np.array([2.0, np.nan]))
    assert [f.site for f in report.errors] == ["z", "y", "n"]
    kinds = ["ParameterError", "SupportError", "SupportError"]
    assert [f.kind for f in report.errors] == kinds
    assert not report.ok
    for found in report.errors:
        assert "telling.py:" in found.line or "test_check.py:" in found.line
        assert found.rule
        assert found.remedy
    assert report.errors[1].value == -1.0
    with pytest.raises(ParameterError, match="site 'z'"):
        report.raise_if_wrong()


def test_shapes_that_do_not_fit_are_all_told():
    def model(a, b):
        x = normal()
        with plate("N", 5):
            normal("a", x, obs=a)
            normal("b", x, obs=b)
        normal()

    report = ppl.check(model, np.zeros(4), np.zeros(3))
    errors = [(type(f.error), f.site) for f in report.errors]
    assert errors == [(ShapeError, "a"), (ShapeError, "b"), (DuplicateSiteError, "x")]


def test_all_latents_that_are_discrete_are_told():
    def model():
        sample("k", dist.Poisson(3.0))
        sample("z", dist.Bernoulli(0.5))

    report = ppl.check(model)
    assert [f.site for f in report.errors] == ["k", "z"]


def test_a_gradient_that_is_nan_everywhere_is_an_error():
    def model():
        x = normal()
        factor("f", jnp.where(x > 100, jnp.sqrt(x - 100), 0.0))

    report = ppl.check(model)
    assert [(f.kind, f.site) for f in report.errors] == [("ModelError", "x")]
    assert "gradient is NaN" in report.errors[0].rule
    assert "term of 'f'" in report.errors[0].rule


def test_a_gradient_that_is_nan_at_times_is_advice():
    def model():
        x = normal()
        factor("f", jnp.where(x > 0, jnp.sqrt(x), 0.0))

    (found,) = ppl.check(model).advice
    assert found.kind == "NaN gradient"
    assert found.site == "x"
    assert "trial points" in found.rule


# --- the report -----------------------------------------------------------------------


def test_resolution_and_empty_data_are_advice():
    def far(y):
        normal("y", normal("mu", 1e9, 10.0), obs=y)

    assert ("resolution", None) in advice(far, 1e9 + Y)

    def empty(y):
        normal("y", normal("mu"), obs=y)

    assert ("no data", "y") in advice(empty, np.zeros(0))


def test_a_report_reads_well():
    report = ppl.check(changepoint, Y)
    text = str(report)
    assert text.startswith("No errors, 2 pieces of advice.")
    assert "Advice, discontinuity: site 'at' (telling.py:" in text
    assert repr(report) == text
    html = report._repr_html_()
    assert "site &#x27;at&#x27;" in html
    report.raise_if_wrong()

    def fine(y):
        normal("y", normal(), obs=y)

    assert str(ppl.check(fine, Y)) == "Nothing to say: no error, no advice."


def test_of_very_many_data_only_what_is_cheap_is_checked():
    def model(y):
        normal("spare")
        normal("y", normal("mu"), obs=y)

    report = ppl.check(model, np.tile(Y, 50_000))
    assert [f.kind for f in report.advice] == ["unused latent"]
    draws, jumps = report.skipped
    assert "1000002 numbers, which is too many" in draws
    assert "jumps of the density" in jumps
    assert "Not checked: draws from the prior" in str(report)


def test_what_is_no_model_is_told():
    (found,) = ppl.check(3).errors
    assert found.kind == "ArgumentTypeError"
    assert "a model must be a function with sample statements, got 3" in found.rule


def test_the_same_model_gets_the_same_report():
    assert str(ppl.check(changepoint, Y)) == str(ppl.check(changepoint, Y))


def test_other_warnings_come_through():
    def model(y):
        import warnings

        warnings.warn("of the model's own", RuntimeWarning, stacklevel=1)
        normal("y", normal(), obs=y)

    with pytest.warns(RuntimeWarning, match="of the model's own"):
        ppl.check(model, Y)
