"""Variational inference: a small model for many steps, and an autoencoder by epochs.

    python -m benchmarks.svi [--runs 3] [--steps 20000] [--epochs 100]

The small model is eight schools (non-centred) under `AutoNormal`, `Trace_ELBO` and
Adam. Each run is a process of its own, the languages in turns; modules are imported and
JAX has been used before the clock starts, and no cache on disk is used. *First* is
`SVI(…).run` in the new process, *second* the same again with a new `SVI`, as a user
does who tries another seed. NumPyro runs without its progress bar, which is its fast
way; with the bar, which is its default, each step is a call of its own.

*A step* is what one more step costs, from runs of two lengths. Beside it stands a
`lax.scan` of the gradient and Adam, written by hand on the density.

The autoencoder is that of `examples/digits_vae.py`, on all 1,797 images of 64 pixels:
one hidden layer of 64 units on both sides, 8 latent variables, networks of Equinox, 128
images a step. ppl runs `svi.run(…, batch_size=128)`; NumPyro a jitted loop over
`svi.update` on a permutation of each epoch, as its own example does. Counted is the
mean epoch of a second run, for ppl with everything that a call costs.

Read the ratios, ppl over the other, the fastest of the runs: smaller is better.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.measure import machine, say, table
from examples.digits_vae import BATCH, LATENT, digits, networks

SIDES = {"ppl": "ppl", "NumPyro": "numpyro"}
SIGMA = (15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0)
Y = (28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0)
TARGETS = {"first run": 0.5, "second run": 0.1, "step": 1.1, "epoch": 1.0}
Times = dict[str, float]


class Side:
    """One language: its modules, and the two fits."""

    def __init__(self, package: str):
        self.lang = importlib.import_module(package)
        self.dist = importlib.import_module(f"{package}.distributions")
        self.optim = importlib.import_module(f"{package}.optim")
        self.svi = importlib.import_module(f"{package}.infer")
        self.guides = importlib.import_module(f"{package}.infer.autoguide")
        self.modules = importlib.import_module(f"{package}.contrib.module")
        self.networks = networks(seed=0)

    def schools(self, sigma: Any, y: Any) -> None:
        """Eight schools."""
        lang, dist = self.lang, self.dist
        mu = lang.sample("mu", dist.Normal(0, 5))
        tau = lang.sample("tau", dist.HalfCauchy(5))
        with lang.plate("school", len(SIGMA)):
            eta = lang.sample("eta", dist.Normal(0, 1))
            lang.sample("y", dist.Normal(mu + tau * eta, sigma), obs=y)

    def small(self, seed: Any, steps: int, data: Any) -> Any:
        """Fit eight schools."""
        model = self.schools
        svi = self.svi.SVI(
            model,
            self.guides.AutoNormal(model),
            self.optim.Adam(0.01),
            self.svi.Trace_ELBO(),
        )
        return svi.run(seed, steps, *data, progress_bar=False).params

    def decoder(self, x: Any) -> None:
        """The model of the autoencoder."""
        import jax

        decode = self.modules.eqx_module("decoder", self.networks[1])
        with self.lang.plate("image", len(x)):
            prior = self.dist.Normal(0, 1).expand([LATENT]).to_event(1)
            logits = jax.vmap(decode)(self.lang.sample("z", prior))
            self.lang.sample("x", self.dist.Bernoulli(logits=logits).to_event(1), obs=x)

    def encoder(self, x: Any) -> None:
        """The guide of the autoencoder."""
        import jax

        encode = self.modules.eqx_module("encoder", self.networks[0])
        with self.lang.plate("image", len(x)):
            self.lang.sample("z", self.dist.Normal(*jax.vmap(encode)(x)).to_event(1))

    def autoencoder(self) -> Any:
        """The fit of the autoencoder, before its first step."""
        return self.svi.SVI(
            self.decoder, self.encoder, self.optim.Adam(1e-3), self.svi.Trace_ELBO()
        )


def epochs_of_ppl(side: Side, count: int) -> Callable[[], Any]:
    svi, data = side.autoencoder(), digits()[0]
    steps = count * (len(data) // BATCH)

    def run() -> Any:
        return svi.run(0, steps, data, batch_size=BATCH, progress_bar=False).losses

    return run


def epochs_of_numpyro(side: Side, count: int) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    svi, data = side.autoencoder(), jnp.asarray(digits()[0])
    per_epoch = len(data) // BATCH

    @jax.jit
    def epoch(state: Any, key: Any, data: Any) -> Any:
        order = jax.random.permutation(key, len(data))

        def body(i: Any, carry: Any) -> Any:
            state, total = carry
            rows = jax.lax.dynamic_slice_in_dim(order, i * BATCH, BATCH)
            state, loss = svi.update(state, data[rows])
            return state, total + loss

        return jax.lax.fori_loop(0, per_epoch, body, (state, 0.0))

    first = svi.init(jax.random.PRNGKey(0), data[:BATCH])

    def run() -> Any:
        state, losses = first, []
        for key in jax.random.split(jax.random.PRNGKey(1), count):
            state, loss = epoch(state, key, data)
            losses.append(loss)
        return [float(loss) for loss in losses]

    return run


def bare_scan(steps: int) -> Callable[[], Any]:
    """Gradient and Adam by hand, in one `lax.scan`."""
    import jax
    import jax.numpy as jnp
    import optax
    from jax.scipy import stats

    adam = optax.adam(0.01)

    def loss(params: Any, key: Any, sigma: Any, y: Any) -> Any:
        keys = jax.random.split(key, len(params))
        bound, z = jnp.zeros(()), {}
        for own, (name, (loc, raw)) in zip(keys, params.items(), strict=True):
            scale = jax.nn.softplus(raw)
            z[name] = loc + scale * jax.random.normal(own, loc.shape)
            bound -= stats.norm.logpdf(z[name], loc, scale).sum()
        tau = jnp.exp(z["tau"])
        bound += stats.norm.logpdf(z["mu"], 0, 5) + stats.norm.logpdf(z["eta"]).sum()
        bound += jnp.log(2) + stats.cauchy.logpdf(tau, 0, 5) + z["tau"]
        return -bound - stats.norm.logpdf(y, z["mu"] + tau * z["eta"], sigma).sum()

    @jax.jit
    def run(params: Any, key: Any, sigma: Any, y: Any) -> Any:
        def body(carry: Any, _: Any) -> Any:
            params, state, key = carry
            key, own = jax.random.split(key)
            value, slope = jax.value_and_grad(loss)(params, own, sigma, y)
            change, state = adam.update(slope, state, params)
            return (optax.apply_updates(params, change), state, key), value

        return jax.lax.scan(body, (params, adam.init(params), key), length=steps)

    shapes = {"eta": (8,), "mu": (), "tau": ()}
    params = {n: (jnp.zeros(s), jnp.full(s, -2.0)) for n, s in shapes.items()}
    data = jnp.array(SIGMA), jnp.array(Y)
    return lambda: jax.block_until_ready(run(params, jax.random.PRNGKey(0), *data))


def timed(run: Callable[[], Any], repeats: int = 1) -> float:
    """Seconds of the fastest call."""
    import jax

    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - began)
    return min(times)


def job(name: str, steps: int, epochs: int) -> Times:
    """All times of one language, in this process."""
    import jax
    import numpy as np

    side = Side(SIDES[name])
    jax.block_until_ready(jax.jit(lambda x: x + 1)(1.0))
    data = np.array(SIGMA, "float32"), np.array(Y, "float32")
    key = jax.random.PRNGKey
    found = {"first run": timed(lambda: side.small(key(0), steps, data))}
    found["second run"] = timed(lambda: side.small(key(1), steps, data))
    if name == "ppl":
        longer = {n: (bare_scan(n * steps), n) for n in (1, 3)}
        for run, _ in longer.values():
            run()
        bare, ours = ([float("inf")] * 2 for _ in range(2))
        for _ in range(4):
            for i, (run, n) in enumerate(longer.values()):
                bare[i] = min(bare[i], timed(run))
                again = timed(lambda n=n: side.small(key(2), n * steps, data))
                ours[i] = min(ours[i], again)
        found["bare step"] = (bare[1] - bare[0]) / (2 * steps)
        found["step"] = (ours[1] - ours[0]) / (2 * steps)
    epoch = (epochs_of_ppl if name == "ppl" else epochs_of_numpyro)(side, epochs)
    epoch()
    found["epoch"] = timed(epoch, 3) / epochs
    return found


def in_process(name: str, args: argparse.Namespace) -> Times:
    """The times of one language, from a process of its own."""
    line = [sys.executable, "-W", "ignore", "-m", "benchmarks.svi", "--job", name]
    line += ["--steps", str(args.steps), "--epochs", str(args.epochs)]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def report(times: dict[str, list[Times]]) -> str:
    best = {
        side: {name: min(t[name] for t in found) for name in found[0]}
        for side, found in times.items()
    }
    ours, peer = best["ppl"], best["NumPyro"]
    peer["step"] = ours["bare step"]
    names = {"step": "step, μs (beside a bare scan)", "epoch": "epoch, ms"}
    factors = {"step": 1e6, "epoch": 1e3}
    rows = [
        (
            names.get(name, f"{name}, s"),
            ours[name] * factors.get(name, 1),
            peer[name] * factors.get(name, 1),
            ours[name] / peer[name],
            f"≤ {target}",
        )
        for name, target in TARGETS.items()
    ]
    return table(("", "ppl", "NumPyro", "ratio", "target"), rows)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--job", choices=SIDES, help="one language, here; JSON")
    args = parser.parse_args(argv)
    if args.job:
        print(json.dumps(job(args.job, args.steps, args.epochs)))
        return
    times: dict[str, list[Times]] = {side: [] for side in SIDES}
    for run in range(args.runs):
        for side, found in times.items():
            found.append(in_process(side, args))
            say(f"run {run + 1}, {side}: {found[-1]}")
    print(f"{machine(devices=False)}; {args.runs} runs\n")
    print(report(times))


if __name__ == "__main__":
    main()
