"""The law that no parameter outside its declared constraint is taken."""

import dataclasses
import inspect
import re

import jax
import numpy as np
import pytest

import ppl.distributions as dist
from ppl._errors import ParameterError
from ppl._pytree import replace
from tests.laws.cases import CASES
from tests.laws.evaluate import rounded

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
SUSPECTS = (np.nan, np.inf, -np.inf, -1.5, -1.0, 0.0, 0.5, 1.0, 2.5)


@every_case
def test_parameters_outside_their_constraint_are_refused(case):
    """By name and rule, whichever member of a batch it is, and before anything else.

    What is declared is asked of the family; here stand only numbers to try.
    """
    params = [np.stack([p[0], p[0], p[0]]) for p in rounded(case, False)]
    d = case.make(*params)
    family = type(d)
    fields = {field.name for field in dataclasses.fields(d)}
    for name, constraint in family.parameter_constraints().items():
        good = np.asarray(getattr(d, name), float)
        refused = 0
        for number in SUSPECTS:
            bad = np.array(np.broadcast_to(good, (3, *good.shape[1:])))
            bad[1] = number
            if constraint(bad)[1]:
                continue
            refused += 1
            message = re.escape(f"{family.__name__}.{name}[1] = ")
            if constraint.event_dim == 0:
                message += ".*" + re.escape(f": {constraint.rule}.")
            with pytest.raises(ParameterError, match=f"site 'x': {message}"):
                replace(d, **{name: bad}).check_parameters(site="x")
            if fields == set(inspect.signature(family).parameters) - {"validate_args"}:
                given = {field: getattr(d, field) for field in fields}
                with pytest.raises(ParameterError, match=message):
                    family(**{**given, name: bad})
        assert refused, f"{case.name}.{name}: nothing to refuse"


def test_plain_numbers_are_refused_again_and_again():
    for _ in range(2):
        assert dist.Normal(0.0, 2.0).check_parameters() is None
        for bad in ((0.0, -2.0), (np.nan, 2.0), (-np.inf, 2.0)):
            with pytest.raises(ParameterError, match=r"Normal\.(loc|scale) = "):
                dist.Normal(*bad)


def test_a_trace_holds_no_checks_of_what_is_traced():
    def traced(loc, scale):
        dist.StudentT(4.0, loc, scale).check_parameters()
        with pytest.raises(ParameterError, match=r"StudentT\.df = -4"):
            dist.StudentT(-4.0, loc, scale).check_parameters()

    assert not jax.make_jaxpr(traced)(np.zeros(3), np.ones(3)).eqns
