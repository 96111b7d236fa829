"""The whole job in ppl: eight schools to a summary; see benchmarks.cold_start."""

from benchmarks.stages import Marks

marks = Marks()
marks.mark("start Python")

import jax  # noqa: E402, F401

marks.mark("import jax")
marks.listen()

import ppl  # noqa: E402

marks.mark("import ppl")

from benchmarks.models import PROBLEMS  # noqa: E402
from ppl.infer import sampling  # noqa: E402


def main() -> None:
    session = sampling.Session
    marks.mark_around(sampling, "checked", after="check")
    marks.mark_around(sampling, "started", after="starting points")
    marks.mark_around(session, "warm_up", after="warm-up")
    marks.mark_around(session, "posterior", before="sampling", after="results")
    problem = PROBLEMS["eight"]
    posterior = ppl.fit(
        problem.write(ppl),
        *problem.data(),
        chains=4,
        warmup=1000,
        draws=1000,
        seed=0,
        progress=False,
    )
    marks.mark("findings")
    print(posterior.summary())
    marks.mark("summary")
    marks.report()


if __name__ == "__main__":
    main()
