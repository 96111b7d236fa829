"""Chains on several devices: the same draws up to rounding, however they are spread."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

JOB = """
import sys, warnings
import jax, numpy as np
import ppl
from ppl.infer import MCMC, NUTS
from tests.infer.models import SIGMA, Y, eight_schools
warnings.simplefilter("ignore")
masses = np.linspace(0.5, 1.5, 10)
fixed = NUTS(eight_schools, step_size=0.4, inverse_mass_matrix=masses,
             adapt_step_size=False, adapt_mass_matrix=False)
for chains in (4, 64, 3, 10):
    mcmc = MCMC(fixed, num_warmup=0, num_samples=25, num_chains=chains,
                progress_bar=False)
    mcmc.run(1, Y, SIGMA)
    mcmc.post_warmup_state = mcmc.last_state  # goes on from there
    first = mcmc.posterior["tau"]
    mcmc.run(1, Y, SIGMA)
    both = np.concatenate([first, mcmc.posterior["tau"]], axis=1)
    np.save(f"{sys.argv[1]}/{chains}.npy", both)
"""


@pytest.fixture(scope="module")
def draws(tmp_path_factory):
    def run(devices):
        out = tmp_path_factory.mktemp(f"devices{devices}")
        flag = f"--xla_force_host_platform_device_count={devices}"
        subprocess.run(
            [sys.executable, "-c", JOB, str(out)],
            env={**os.environ, "XLA_FLAGS": flag},
            cwd=Path(__file__).resolve().parents[2],
            check=True,
        )
        return {path.stem: np.load(path) for path in out.iterdir()}

    return run(1), run(2)


def test_two_devices_draw_what_one_draws(draws):
    one, two = draws
    assert set(one) == {"4", "64", "3", "10"}  # 10: as many as coordinates
    for chains, values in one.items():
        np.testing.assert_allclose(two[chains], values, rtol=2e-3, err_msg=chains)


def test_a_chain_draws_the_same_beside_others(draws):
    for found in draws:
        np.testing.assert_allclose(found["64"][:4], found["4"], rtol=2e-3)
