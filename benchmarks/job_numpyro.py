"""The whole job in NumPyro, with ArviZ's summary; see benchmarks.cold_start."""

import argparse

from benchmarks.stages import Marks

marks = Marks()
marks.mark("start Python")

import jax  # noqa: E402

marks.mark("import jax")
marks.listen()

import numpyro  # noqa: E402
from numpyro.infer import MCMC, NUTS  # noqa: E402

marks.mark("import numpyro")

import arviz as az  # noqa: E402

marks.mark("import arviz")

from benchmarks.models import PROBLEMS  # noqa: E402

METHODS = ("vectorized", "sequential", "parallel")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--method", choices=METHODS, default="vectorized")
    method = parser.parse_args().method
    if method == "parallel":
        numpyro.set_host_device_count(4)
    problem = PROBLEMS["eight"]
    mcmc = MCMC(
        NUTS(problem.write(numpyro)),
        num_warmup=1000,
        num_samples=1000,
        num_chains=4,
        chain_method=method,
        progress_bar=False,
    )
    mcmc.run(jax.random.PRNGKey(0), *problem.data())
    jax.block_until_ready(mcmc.get_samples())
    marks.mark("warm-up and sampling")
    print(az.summary(az.from_numpyro(mcmc)))
    marks.mark("ArviZ's summary")
    marks.report()


if __name__ == "__main__":
    main()
