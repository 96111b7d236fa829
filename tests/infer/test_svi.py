"""Fits: by hand and by NumPyro, in chunks and batches, resumed, compiled once."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ppl
import ppl.distributions as dist
from benchmarks.measure import compilations
from ppl import optim
from ppl.distributions import constraints
from ppl.infer import SVI, Plateau, RenyiELBO, Trace_ELBO, TraceMeanField_ELBO
from ppl.infer.autoguide import AutoNormal
from ppl.primitives import mutable

Y = np.array([0.5, 1.5, -0.3, 2.0], np.float32)
MEAN, SD = Y.sum() / 5, np.sqrt(1 / 5)  # the posterior


def model(y, size=None):
    m = ppl.sample("m", dist.Normal(0.0, 1.0))
    with ppl.plate("i", size or len(y), subsample_size=len(y)):
        ppl.sample("y", dist.Normal(m, 1.0), obs=y)


def guide(y, size=None):
    del y, size
    scale = ppl.param("scale", 0.6, constraint=constraints.positive)
    ppl.sample("m", dist.Normal(ppl.param("loc", 0.1), scale))


def fit(*args, steps=100, loss=None, optimizer=None, seed=0, **kwargs):
    svi = SVI(model, guide, optimizer or optim.Adam(0.02), loss or Trace_ELBO())
    return svi.run(seed, steps, *(args or (Y,)), progress_bar=False, **kwargs)


def same(a, b):
    """Whether two results, or parts of them, are equal bit for bit."""
    return jax.tree.all(jax.tree.map(np.array_equal, a, b))


# --- step by step ---------------------------------------------------------------------


def test_steps_are_those_by_hand():
    svi = SVI(model, guide, optax.adam(0.02), Trace_ELBO())
    state = svi.init(0, Y)
    assert np.isclose(svi.get_params(state)["scale"], 0.6)
    adam, positive = optax.adam(0.02), dist.biject_to(constraints.positive)
    free = {"loc": jnp.array(0.1), "scale": positive.inv(0.6)}
    inner = adam.init(free)

    @jax.jit
    def sloped(free, key):
        def loss(free):
            params = {"loc": free["loc"], "scale": positive(free["scale"])}
            return Trace_ELBO().loss(key, params, model, guide, Y)

        return jax.value_and_grad(loss)(free)

    evaluate, update = jax.jit(svi.evaluate), jax.jit(svi.update)
    for _ in range(5):
        value, slope = sloped(free, jax.random.split(state.rng_key)[1])
        evaluated = evaluate(state, Y)
        state, told = update(state, Y)
        change, inner = adam.update(slope, inner, free)
        free = optax.apply_updates(free, change)
        assert np.allclose([told, evaluated], value, rtol=1e-5)
        params = svi.get_params(state)
        assert np.isclose(params["loc"], free["loc"], rtol=1e-4)
        assert np.isclose(params["scale"], positive(free["scale"]), rtol=1e-4)


def test_a_run_is_its_steps():
    svi = SVI(model, guide, optim.Adam(0.02), Trace_ELBO())
    state = svi.init(0, Y)
    update, losses = jax.jit(svi.update), []
    for _ in range(80):
        state, loss = update(state, Y)
        losses.append(loss)
    result = fit(steps=80)
    assert np.allclose(result.losses, losses, rtol=1e-4, atol=1e-4)
    for name, value in svi.get_params(state).items():
        assert np.isclose(result.params[name], value, rtol=1e-4)
    assert same(result.state.rng_key, state.rng_key)


def test_fits_without_noise_are_those_of_numpyro():
    numpyro = pytest.importorskip("numpyro")

    def run(lang, dist, constraints, infer, optim):
        def model(y):
            rate = lang.param("rate", 2.0, constraint=constraints.positive)
            m = lang.sample("m", dist.Normal(0.0, rate))
            with lang.plate("i", len(y)):
                lang.sample("y", dist.Normal(m, 1.0), obs=y)

        def guide(y):
            del y
            lang.sample("m", dist.Delta(lang.param("loc", 0.1)))

        svi = infer.SVI(model, guide, optim.Adam(0.05), infer.Trace_ELBO())
        found = svi.run(jax.random.PRNGKey(0), 60, Y, progress_bar=False)
        started = svi.init(jax.random.PRNGKey(0), Y, init_params={"loc": 0.7})
        evaluated = svi.evaluate(started, Y)
        return dict(found.params), found.losses, svi.get_params(started), evaluated

    theirs = run(
        numpyro,
        numpyro.distributions,
        numpyro.distributions.constraints,
        numpyro.infer,
        numpyro.optim,
    )
    ours = run(ppl, dist, constraints, ppl.infer, optim)
    assert jax.tree.all(
        jax.tree.map(lambda a, b: np.allclose(a, b, 1e-4), ours, theirs)
    )


@pytest.mark.parametrize(
    "loss",
    [Trace_ELBO(2), TraceMeanField_ELBO(), RenyiELBO(0.5, 4, estimator="dreg")],
    ids=repr,
)
def test_the_posterior_is_found(loss):
    result = fit(steps=3000, loss=loss, average=0.5)
    assert abs(result.params["loc"] - MEAN) < 0.03
    assert abs(result.params["scale"] / SD - 1) < 0.06


@pytest.mark.usefixtures("x64")
def test_float64_stays():
    y = np.asarray(Y, np.float64)
    result = fit(y, steps=50)
    assert result.losses.dtype == np.float64
    assert all(value.dtype == np.float64 for value in result.params.values())


def test_forward_mode_is_the_same():
    ahead = fit(forward_mode_differentiation=True, steps=30)
    assert np.allclose(ahead.losses, fit(steps=30).losses, rtol=1e-5)


def test_losses_by_site_are_added_up():
    by_site = fit(steps=30, loss=Trace_ELBO(sum_sites=False))
    assert np.allclose(by_site.losses, fit(steps=30).losses, rtol=1e-4)
    svi = SVI(model, guide, optim.Adam(0.02), Trace_ELBO(sum_sites=False))
    assert set(svi.evaluate(svi.init(0, Y), Y)) == {"m", "y"}


# --- chunks ---------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"batch_size": 3}], ids=str)
def test_going_on_is_the_same_run(options):
    whole, part = fit(steps=300, **options), fit(steps=121, **options)
    rest = fit(steps=179, init_state=part.state, **options)
    assert same(whole.state, rest.state)
    assert same(whole.params, rest.params)
    assert same(whole.losses, np.concatenate([part.losses, rest.losses]))


def test_late_parameters_are_averaged():
    svi = SVI(model, guide, optim.SGD(0.05), Trace_ELBO())
    state, late = svi.init(0, Y), []
    update = jax.jit(svi.update)
    for step in range(200):
        state, _ = update(state, Y)
        if step >= 150:
            late.append(state.optim_state.params["loc"])
    result = fit(steps=200, average=0.25, optimizer=optim.SGD(0.05))
    assert np.isclose(result.params["loc"], np.mean(late), rtol=1e-4)
    assert np.isclose(result.state.optim_state.params["loc"], late[-1], rtol=1e-4)


def test_a_callback_sees_the_run_and_ends_it():
    seen = []

    def callback(done, losses, state):
        assert len(losses) == done
        assert int(state.optim_state.step) == done
        seen.append(done)
        return done >= 500

    result = fit(steps=100_000, callback=callback)
    assert len(result.losses) == seen[-1] >= 500
    assert all(done < 500 for done in seen[:-1])


def test_a_plateau_ends_the_run():
    result = fit(steps=200_000, stop=Plateau(patience=200, tolerance=0.05))
    assert 400 <= len(result.losses) < 200_000
    assert not Plateau(5)(np.zeros(9))
    assert Plateau(5)(np.zeros(10))
    assert not Plateau(5, 0.5)(np.repeat([1.0, 0.0], 5))


def test_ctrl_c_keeps_what_is_found(capfd):
    import signal

    def callback(done, losses, state):
        del losses, state
        if done > 100:
            signal.raise_signal(signal.SIGINT)

    result = fit(steps=10**6, callback=callback)
    assert 100 < len(result.losses) < 10**6
    assert np.all(np.isfinite(list(result.params.values())))


def test_the_bar_shows_the_loss(capfd):
    svi = SVI(model, guide, optim.Adam(0.02), Trace_ELBO())
    svi.run(0, 100, Y)
    told = capfd.readouterr().err
    assert "100/100" in told
    assert "loss" in told


def test_a_fit_begins_where_it_is_told():
    result = fit(steps=1, init_params={"loc": 0.9}, optimizer=optim.SGD(0.0))
    assert np.isclose(result.params["loc"], 0.9)
    assert np.isclose(result.params["scale"], 0.6)


# --- batches --------------------------------------------------------------------------


def records(size, batch, steps):
    """The rows that each step gets, seen by a model whose loss they are."""

    def counted(x):
        ppl.factor("seen", jnp.sum(x))
        ppl.sample("m", dist.Normal(0.0, 1.0))

    def still(x):
        del x
        ppl.sample("m", dist.Normal(ppl.param("l", 0.0), 1.0))

    x = 3.0 ** np.arange(size, dtype=np.float32)
    svi = SVI(counted, still, optim.SGD(0.0), TraceMeanField_ELBO())
    result = svi.run(0, steps, x, batch_size=batch, progress_bar=False)
    words = np.rint(-result.losses).astype(int)
    digits = words[:, None] // 3 ** np.arange(size) % 3
    return [np.repeat(np.arange(size), times).tolist() for times in digits]


def test_each_epoch_takes_each_row_once():
    steps = records(12, 4, 30)
    epochs = [sorted(sum(steps[i : i + 3], [])) for i in range(0, 30, 3)]
    assert epochs == [list(range(12))] * 10
    assert len({tuple(steps[i]) for i in range(0, 30, 3)}) > 5  # other orders


def test_epochs_run_on_where_rows_are_left():
    """Of ten rows in steps of four, the third takes two and begins the next epoch."""
    steps = records(10, 4, 10)
    assert all(len(rows) == 4 for rows in steps)
    counts = np.bincount(np.concatenate(steps), minlength=10)
    assert np.array_equal(counts, np.full(10, 4))
    first = {row for rows in steps[:2] for row in rows}
    assert len(first) == 8
    assert set(range(10)) - first <= set(steps[2])


def test_minibatches_reach_the_posterior():
    x = np.random.default_rng(0).normal(1.0, 1.0, 1000).astype(np.float32)
    svi = SVI(
        lambda x: model(x, 1000), lambda x: guide(x), optim.Adam(0.01), Trace_ELBO()
    )
    result = svi.run(0, 4000, x, batch_size=50, average=0.5, progress_bar=False)
    assert abs(result.params["loc"] - x.sum() / 1001) < 0.01


def test_batches_of_an_iterator_are_those_by_hand():
    rows = np.random.default_rng(0).normal(size=(130, 4)).astype(np.float32)
    svi = SVI(model, guide, optim.Adam(0.02), Trace_ELBO())
    result = svi.run(0, 200, batches=(row for row in rows), progress_bar=False)
    state, losses = svi.init(0, rows[0]), []
    update = jax.jit(svi.update)
    for row in rows:
        state, loss = update(state, row)
        losses.append(loss)
    assert len(result.losses) == 130  # the run ends with them
    assert np.allclose(result.losses, losses, rtol=1e-4, atol=1e-4)
    taken = []
    svi.run(0, 70, batches=(taken.append(1) or r for r in rows), progress_bar=False)
    assert len(taken) <= 71


# --- what is kept besides -------------------------------------------------------------


def test_mutable_state_is_carried():
    def counting(y):
        holder = mutable("count", {"n": jnp.zeros(())})
        holder["n"] = holder["n"] + 1.0
        model(y)

    svi = SVI(counting, guide, optim.Adam(0.02), Trace_ELBO())
    result = svi.run(0, 50, Y, progress_bar=False)
    assert result.state.mutable_state["count"]["n"] == 51  # and once to begin
    state, _ = svi.update(result.state, Y)
    assert state.mutable_state["count"]["n"] == 52


def test_networks_are_params():
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]

    def init(key, shape):
        del shape
        return (-1, 1), {"w": jax.random.normal(key, (1, 1)), "b": jnp.zeros(1)}

    def apply(params, x):
        return x @ params["w"] + params["b"]

    def line(x, y):
        net = ppl.module("net", (init, apply), (1,))
        with ppl.plate("i", len(x)):
            ppl.sample("y", dist.Normal(net(x)[:, 0], 0.1), obs=y)

    svi = SVI(line, lambda x, y: None, optim.Adam(0.05), Trace_ELBO())  # noqa: ARG005
    result = svi.run(0, 800, x, 2 * x[:, 0] + 1, progress_bar=False)
    net = result.params["net$params"]
    assert np.allclose([net["w"][0, 0], net["b"][0]], [2, 1], atol=1e-2)


def test_params_of_guides_from_models():
    result = SVI(model, AutoNormal(model), optim.Adam(0.02), Trace_ELBO()).run(
        0, 2000, Y, progress_bar=False, average=0.5
    )
    assert abs(result.params["m_auto_loc"] - MEAN) < 0.05
    assert abs(result.params["m_auto_scale"] / SD - 1) < 0.1


# --- compiled once --------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"batch_size": 2}, {"average": 0.5}], ids=str)
def test_a_second_run_compiles_nothing(options):
    fit(steps=100, **options)
    with compilations() as compiled:
        fit(Y + 1, steps=150, seed=3, **options)
    assert compiled.programs == 0


def test_a_second_run_of_a_made_guide_compiles_nothing():
    def run(seed, y):
        svi = SVI(model, AutoNormal(model), optim.Adam(0.02), Trace_ELBO())
        return svi.run(seed, 100, y, progress_bar=False)

    run(0, Y)
    with compilations() as compiled:
        run(1, Y * 2)
    assert compiled.programs == 0


def test_changed_globals_are_seen():
    held = {"y": np.zeros(20, np.float32)}

    def closed():
        m = ppl.sample("m", dist.Normal(0, 10))
        ppl.sample("y", dist.Normal(m, 1).expand([20]).to_event(1), obs=held["y"])

    def run():
        svi = SVI(closed, AutoNormal(closed), optim.Adam(0.1), Trace_ELBO())
        return svi.run(0, 500, progress_bar=False).params["m_auto_loc"]

    assert abs(run()) < 0.5
    held["y"] = np.full(20, 9.0, np.float32)
    assert abs(run() - 9) < 0.5
