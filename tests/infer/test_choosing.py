"""Which sampler runs a model: named, given, or chosen by the number of chains."""

import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl._errors import ArgumentError, PPLError, UnknownNameError
from ppl.infer import LAPS, NUTS
from ppl.infer.choosing import KERNELS, choose
from tests.infer.models import SIGMA, Y, eight_schools, gaussian
from tests.infer.test_fit import quiet_fit


@pytest.mark.parametrize(
    ("chains", "model", "data", "kind"),
    [
        (4, eight_schools, (Y, SIGMA), NUTS),
        (255, eight_schools, (Y, SIGMA), NUTS),
        (256, eight_schools, (Y, SIGMA), LAPS),
        (256, gaussian, (Y,), NUTS),  # one coordinate
    ],
)
def test_auto_goes_by_chains_and_coordinates(chains, model, data, kind):
    sampler, why = choose(model, data, {}, kernel="auto", chains=chains)
    assert type(sampler) is kind
    assert "chains" in why or "coordinate" in why


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_can_be_named(kernel):
    chains = 64 if kernel == "laps" else 4
    posterior = quiet_fit(
        eight_schools,
        *(Y, SIGMA),
        kernel=kernel,
        chains=chains,
        warmup=30,
        draws=20,
        seed=0,
    )
    assert posterior.attrs["sampler"] == KERNELS[kernel].__name__
    assert posterior.attrs["sampler_choice"] == "named"
    assert np.isfinite(posterior["tau"]).all()


def test_wrong_choices_are_told():
    with pytest.raises(UnknownNameError, match="nuts"):
        ppl.fit(gaussian, Y, kernel="nutz")
    with pytest.raises(ArgumentError, match="beside a sampler"):
        ppl.fit(NUTS(gaussian), Y, kernel="mams")
    with pytest.raises(ArgumentError, match="setting of the sampler"):
        ppl.fit(gaussian, Y, kernel="mams", target_accept_prob=0.9)


def test_a_model_that_cannot_be_traced_is_told_by_the_check():
    def wrong(y):
        ppl.sample("m", dist.Normal(0, 1))
        ppl.sample("m", dist.Normal(0, 1), obs=y)

    with pytest.raises(PPLError, match="already defined"):
        ppl.fit(wrong, Y, chains=256)
