"""A model made ready for a sampler of one's own; platform settings; maps in chunks."""

import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl._errors import (
    ArgumentError,
    StartingPointError,
)
from ppl.handlers import substitute, trace
from ppl.infer import init_to_value, util
from ppl.util import soft_vmap
from tests.infer.models import SIGMA, Y, eight_schools

LATENT = {"mu": 1.0, "tau": 2.0, "z": np.linspace(-1, 1, 8)}


# --- starting points ------------------------------------------------------------------


def test_a_model_is_made_ready_for_a_sampler():
    info = util.initialize_model(3, eight_schools, model_args=(Y, SIGMA))
    z, energy, slope = info.param_info
    assert set(z) == set(slope) == {"mu", "tau", "z"}
    np.testing.assert_allclose(info.potential_fn(z), energy, rtol=1e-5)
    for name, value in jax.grad(info.potential_fn)(z).items():
        np.testing.assert_allclose(value, slope[name], rtol=1e-3, atol=1e-4)
    values = info.postprocess_fn(z)
    np.testing.assert_allclose(
        values["theta"], values["mu"] + values["tau"] * values["z"], rtol=1e-4
    )
    assert set(info.model_trace) == {"mu", "tau", "school", "z", "theta", "y"}
    np.testing.assert_allclose(
        info.model_trace["tau"]["value"], values["tau"], rtol=1e-5
    )
    np.testing.assert_array_equal(info.model_trace["y"]["value"], Y)


def test_batches_of_keys_and_arguments_that_come_later():
    keys = jax.random.split(jax.random.PRNGKey(0), 3)
    info = util.initialize_model(
        keys, eight_schools, model_args=(Y, SIGMA), dynamic_args=True
    )
    assert info.param_info.z["z"].shape == (3, 8)
    energy = jax.vmap(info.potential_fn(Y, SIGMA))(info.param_info.z)
    np.testing.assert_allclose(energy, info.param_info.potential_energy, rtol=1e-5)
    one = jax.tree.map(lambda x: x[1], info.param_info.z)
    alone, valid = util.find_valid_initial_params(
        keys[1], eight_schools, model_args=(Y, SIGMA)
    )
    assert bool(valid)
    np.testing.assert_array_equal(alone.z["z"], one["z"])
    assert info.postprocess_fn(Y, SIGMA)(one)["theta"].shape == (8,)


def test_strategies_and_forward_mode():
    info, valid = util.find_valid_initial_params(
        0,
        eight_schools,
        init_strategy=init_to_value(values=LATENT),
        model_args=(Y, SIGMA),
        forward_mode_differentiation=True,
    )
    assert bool(valid)
    np.testing.assert_allclose(info.z["tau"], np.log(2.0), rtol=1e-5)


def test_without_replay_only_transforms_are_applied():
    transforms = util.get_transforms(eight_schools, (Y, SIGMA), {}, LATENT)
    potential, post = util.get_potential_fn(
        eight_schools, transforms, model_args=(Y, SIGMA)
    )
    free = util.transform_fn(transforms, LATENT, invert=True)
    np.testing.assert_allclose(post(free)["tau"], 2.0, rtol=1e-6)
    assert set(post(free)) == {"mu", "tau", "z"}
    np.testing.assert_allclose(
        potential(free),
        util.potential_energy(eight_schools, (Y, SIGMA), {}, free),
    )


def test_a_start_that_cannot_be():
    def model():
        x = ppl.sample("x", dist.Normal(0.0, 1.0))
        ppl.factor("never", jnp.where(x > 1e6, 0.0, -jnp.inf))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(StartingPointError, match="'never'"):
            util.initialize_model(0, model)


# --- util -----------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [None, 1, 4, 6, 100])
@pytest.mark.parametrize("dims", [0, 1, 2])
def test_maps_in_chunks_are_maps(dims, chunk):
    xs = {"a": np.arange(24.0).reshape(2, 3, 4), "b": np.ones((2, 3), np.float32)}

    def fn(x):
        return x["a"].sum(-1) * x["b"]

    found = soft_vmap(fn, xs, dims, chunk)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found, xs["a"].sum(-1))


def test_maps_refuse_differing_arrays():
    with pytest.raises(ArgumentError, match="leading dims"):
        soft_vmap(jnp.sum, [np.ones(3), np.ones(4)])
    with pytest.raises(ArgumentError, match="chunk_size"):
        soft_vmap(jnp.sum, np.ones(3), 1, 0)


def test_float64_can_be_switched(x64):
    assert jnp.zeros(1).dtype == jnp.float64
    ppl.enable_x64(False)
    assert jnp.zeros(1).dtype == jnp.float32
    ppl.enable_x64()
    assert jnp.zeros(1).dtype == jnp.float64


DEVICES = """
import jax, ppl
from ppl._errors import ArgumentError, EngineError
ppl.set_platform("cpu")
ppl.set_host_device_count(3)
assert jax.device_count() == 3 and jax.default_backend() == "cpu"
for n, error in ((2, EngineError), (0, ArgumentError), (1.5, ArgumentError)):
    try:
        ppl.set_host_device_count(n)
    except error:
        continue
    raise SystemExit(f"{n} was accepted")
"""


def test_devices_are_made_before_the_first_computation():
    done = subprocess.run(
        [sys.executable, "-c", DEVICES], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr


def test_sites_tell_their_log_density():
    given = substitute(eight_schools, data=LATENT)
    sites = trace(given).get_trace(Y, SIGMA)
    assert sites["z"]["log_prob"].shape == (8,)
    assert sites["school"].get("log_prob") is None
