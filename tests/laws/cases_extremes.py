"""Continuous distributions that NumPyro lacks, one entry each."""

import mpmath as mp
import numpy as np
import scipy.stats as st
from mpmath import log, log1p, loggamma
from scipy.integrate import quad
from scipy.special import betainc, expit, logit

import ppl.distributions as dist
from tests.laws.case import Case, beta, gamma, normal, student
from tests.laws.truth import Silent


def skew_normal(x, m, s, a):
    z = (x - m) / s
    return normal(z) - log(s) + log(2 * mp.ncdf(a * z))


def skew_normal_of(m, s, a):
    """SciPy's, which loses the digits of its short tail for a large slant."""
    frozen = st.skewnorm(a, m, s)
    if a < 50:
        return frozen
    plain = frozen.cdf

    def tail(x):
        z, reach = (x - m) / s, mp.mpf(12) / a
        ends = [z - reach, z - reach / 3, z - reach / 9, z]
        with mp.workdps(20):
            return float(mp.quad(lambda t: 2 * mp.npdf(t) * mp.ncdf(a * t), ends))

    def cdf(x):
        cdf = plain(x)
        low = cdf < 1e-4
        cdf[low] = [tail(v) if v > m - 10 * s else 0.0 for v in np.asarray(x)[low]]
        return cdf

    def logcdf(x):
        with np.errstate(divide="ignore"):
            return np.log(cdf(x))

    frozen.cdf, frozen.logcdf = cdf, logcdf
    frozen.logsf = lambda x: np.log1p(-cdf(x))
    return frozen


def ex_gaussian(x, m, s, r):
    z, k = (x - m) / s, r * s
    return log(r) + k * (k / 2 - z) + log(mp.ncdf(z - k))


def rice(x, v, s):
    top = log(x) - 2 * log(s) + log(mp.besseli(0, x * v / s**2))
    return top - (x * x + v * v) / (2 * s * s)


def rice_of(v, s):
    """SciPy's, whose moments overflow for large ratios."""
    frozen, b = st.rice(v / s, scale=s), mp.mpf(float(v)) / float(s)
    if b > 30:
        mean = mp.sqrt(mp.pi / 2) * mp.laguerre(0.5, 0, -b * b / 2)
        mean, var = float(s * mean), float(s * s * (2 + b * b - mean**2))
        frozen.mean, frozen.var, frozen.std = (
            lambda: mean, lambda: var, lambda: var**0.5)  # fmt: skip
    return frozen


def moyal(x, m, s):
    z = (x - m) / s
    return -(z + mp.exp(-z) + log(2 * mp.pi)) / 2 - log(s)


def triangular(x, a, b, c):
    if not a <= c <= b or not a <= x <= b:
        return -mp.inf
    if x == c:
        return log(2 / (b - a))
    return log(2 * ((x - a) / (c - a) if x < c else (b - x) / (b - c)) / (b - a))


def pert(x, a, c, b, t):
    k, m = t * (c - a) / (b - a), t * (b - c) / (b - a)
    return beta((x - a) / (b - a), 1 + k, 1 + m) - log(b - a)


def straight(x, m, s, c):
    """The generalised extreme value as a Gumbel, the Pareto as an exponential."""
    if c == -1 and x == m + s:
        return mp.inf
    z = (x - m) / s
    if c == 0:
        return z
    return log1p(c * z) / c if c * z > -1 else mp.nan


def extreme_value(x, m, s, c):
    y = straight(x, m, s, c)
    last = mp.mpf(0) if mp.isinf(y) else (1 + c) * y
    return -mp.inf if mp.isnan(y) else -last - mp.exp(-y) - log(s)


def extreme_value_of(m, s, c):
    """SciPy's, whose variance cancels for a small shape."""
    frozen = st.genextreme(-c, m, s)
    if 0 < abs(c) < 1e-4:
        c, one = mp.mpf(float(c)), mp.mpf(1)
        square = mp.gamma(one - 2 * c) - mp.gamma(one - c) ** 2
        var = float(square / c**2 * float(s) ** 2)
        frozen.var, frozen.std = (lambda: var), (lambda: var**0.5)
    return frozen


def generalized_pareto(x, m, s, c):
    y = straight(x, m, s, c)
    last = mp.mpf(0) if mp.isinf(y) else (1 + c) * y
    return -mp.inf if mp.isnan(y) else -last - log(s)


def generalized_normal(x, m, s, p):
    return log(p / (2 * s)) - loggamma(1 / p) - abs((x - m) / s) ** p


def inverse_gaussian(x, m, c):
    return log(c / (2 * mp.pi * x**3)) / 2 - c * (x - m) ** 2 / (2 * m * m * x)


def nakagami(x, m, w):
    return log(2 * x) + gamma(x * x, m, m / w)


class LogitNormal:
    """SciPy has the parts only."""

    def __init__(self, loc, scale):
        self.args = (loc, scale)
        self.odds = st.norm(loc, scale)
        self.std = lambda: np.sqrt(self.var())

    def support(self):
        return 0.0, 1.0

    def ppf(self, q):
        return expit(self.odds.ppf(q))

    def _at(self, name, x):
        with np.errstate(divide="ignore", invalid="ignore"):
            return getattr(self.odds, name)(logit(np.clip(x, 0.0, 1.0)))

    def cdf(self, x):
        return self._at("cdf", x)

    def logcdf(self, x):
        return self._at("logcdf", x)

    def logsf(self, x):
        return self._at("logsf", x)

    def _expect(self, fn):
        loc, scale = self.args
        ends = np.unique([-8.3, *np.clip(-loc / scale + np.arange(-3, 4), -8, 8), 8.3])
        parts = zip(ends[:-1], ends[1:], strict=True)
        whole = (
            quad(lambda z: st.norm.pdf(z) * fn(loc + scale * z), *p, epsrel=1e-11)[0]
            for p in parts
        )
        return sum(whole)

    def mean(self):
        return self._expect(expit)

    def var(self):
        mean = self.mean()
        return self._expect(lambda t: (expit(t) - mean) ** 2)

    def entropy(self):
        logs = self._expect(lambda t: np.logaddexp(0, t) + np.logaddexp(0, -t))
        return self.odds.entropy() - logs


class HalfT:
    """SciPy has the whole only."""

    def __init__(self, df, scale):
        self.args = (df, scale)
        self.whole = st.t(df, 0, scale)
        self.std = lambda: np.sqrt(self.var())

    def support(self):
        return 0.0, np.inf

    def ppf(self, q):
        return self.whole.isf((1 - np.asarray(q)) / 2)

    def _tails(self, x):
        df, scale = self.args
        square = np.square(np.maximum(x, 0) / scale)
        below = betainc(0.5, 0.5 * df, square / (df + square))
        above = betainc(0.5 * df, 0.5, df / (df + square))
        return np.where(square < df, below, 1 - above), above

    def cdf(self, x):
        return self._tails(x)[0]

    def logcdf(self, x):
        return np.log(self.cdf(x))

    def logsf(self, x):
        below, above = self._tails(x)
        return np.where(below < 0.1, np.log1p(-below), np.log(above))

    def mean(self):
        df, scale = self.args
        if df <= 1:
            return np.inf
        ratio = mp.gamma((df + 1) / mp.mpf(2)) / mp.gamma(df / mp.mpf(2))
        return float(2 * scale * mp.sqrt(df / mp.pi) * ratio / (mp.mpf(df) - 1))

    def var(self):
        return self.whole.var() - self.mean() ** 2 if self.args[0] > 2 else np.inf

    def entropy(self):
        return self.whole.entropy() - np.log(2)


CASES: tuple[Case, ...] = (
    Case("SkewNormal", dist.SkewNormal,
         ((0.0, 1.0, 4.0), (2.0, 0.5, -1.0), (0.0, 1.0, 0.0), (-1.0, 3.0, 0.1),
          (1.0, 1e-6, 2.0), (0.0, 1e8, -30.0), (0.0, 2.0, 1e3)),
         skew_normal_of, skew_normal, (-3.0, 1e2),
         lacks=("entropy",)),
    Case("ExGaussian", dist.ExGaussian,
         ((0.0, 1.0, 1.0), (0.4, 0.05, 5.0), (-2.0, 3.0, 0.1), (0.0, 1.0, 20.0),
          (5.0, 1e-4, 0.5), (0.0, 1.0, 1e3), (1.0, 2.0, 1e-3)),
         lambda m, s, r: st.exponnorm(1 / (r * s), m, s), ex_gaussian, (30.0, -3.0),
         lacks=("entropy",)),
    Case("Rice", dist.Rice,
         ((1.0, 1.0), (0.0, 2.0), (3.0, 0.5), (0.1, 1.0), (1e3, 1.0), (1e-6, 1e-6),
          (40.0, 3.0)),
         rice_of, rice, (1e-6, 30.0), lacks=("entropy",)),
    Case("Moyal", dist.Moyal,
         ((0.0, 1.0), (3.0, 0.5), (-10.0, 4.0), (0.0, 1e-8), (1e3, 1.0), (-1.0, 1e12)),
         st.moyal, moyal, (1e2, -5.0)),
    Case("Triangular", dist.Triangular,
         ((0.0, 1.0, 0.5), (0.0, 2.0, 0.0), (-3.0, 5.0, 4.0), (1.0, 3.0, 3.0),
          (1e3, 1001.0, 1000.25), (-1e15, 1e15, 1e10)),
         lambda a, b, c: st.triang((c - a) / (b - a), a, b - a), triangular,
         (0.5, 4.0)),
    Case("PERT", dist.PERT,
         ((0.0, 0.5, 1.0, 4.0), (-3.0, 4.0, 5.0, 4.0), (0.0, 0.0, 2.0, 2.0),
          (1.0, 3.0, 3.0, 10.0), (1e3, 1000.25, 1001.0, 1e3), (-1e15, 0.0, 1e15, 0.01)),
         lambda a, c, b, t: st.beta(
             1 + t * (c - a) / (b - a), 1 + t * (b - c) / (b - a), a, b - a),
         pert),
    Case("GeneralizedExtremeValue", dist.GeneralizedExtremeValue,
         ((0.0, 1.0, 0.25), (3.0, 0.5, -0.25), (0.0, 1.0, 0.0), (-1.0, 2.0, 1e-6),
          (0.0, 1.0, -1e-3), (1.0, 8.0, 0.5), (0.0, 1e6, -1.0)),
         extreme_value_of, extreme_value, (1.0, -2.0, 1e2)),
    Case("GeneralizedPareto", dist.GeneralizedPareto,
         ((0.0, 1.0, 0.25), (3.0, 0.5, -0.25), (0.0, 1.0, 0.0), (-1.0, 2.0, 1e-6),
          (0.0, 1.0, -1e-3), (1.0, 8.0, 2.0), (0.0, 1e6, -0.5)),
         lambda m, s, c: st.genpareto(c, m, s), generalized_pareto, (1.0, 1e3, 1e12)),
    Case("GeneralizedNormal", dist.GeneralizedNormal,
         ((0.0, 1.0, 2.0), (3.0, 0.5, 1.0), (-1.0, 2.0, 1.5), (0.0, 1.0, 0.3),
          (0.0, 1e-6, 8.0), (1.0, 1.0, 200.0)),
         lambda m, s, p: st.gennorm(p, m, s), generalized_normal, (0.5, -2.0)),
    Case("InverseGaussian", dist.InverseGaussian,
         ((1.0, 1.0), (3.0, 0.5), (0.2, 4.0), (1e-3, 1.0), (1e3, 1.0), (1e-8, 1e-6)),
         lambda m, c: st.invgauss(m / c, scale=c), inverse_gaussian,
         (1e-30, 1e-3, 50.0, 1e25)),
    Case("Nakagami", dist.Nakagami,
         ((1.0, 1.0), (0.5, 4.0), (3.0, 0.1), (0.1, 1.0), (1e5, 1.0), (2.0, 1e-12)),
         lambda m, w: st.nakagami(m, scale=np.sqrt(w)), nakagami, (1e-30, 1e-6, 10.0)),
    Case("LogitNormal", dist.LogitNormal,
         ((0.0, 1.0), (1.0, 0.3), (-2.0, 2.5), (0.0, 1.5), (0.5, 1e-3), (3.0, 20.0),
          (-40.0, 0.01)),
         LogitNormal,
         lambda x, m, s: normal((log(x) - log1p(-x) - m) / s) - log(s * x * (1 - x)),
         (1e-30, 0.5)),
    Case("LogLogistic", dist.LogLogistic,
         ((1.0, 3.0), (2.0, 5.0), (0.5, 0.7), (10.0, 1.5), (1e-12, 0.2), (1e6, 200.0)),
         lambda s, k: Silent(st.fisk(k, scale=s)),
         lambda x, s, k: log(k / x) - log1p((x / s) ** k) - log1p((x / s) ** -k),
         (1e-30, 1e30)),
    Case("HalfStudentT", dist.HalfStudentT,
         ((3.0, 1.0), (1.0, 0.1), (30.0, 3.0), (1e6, 1.0), (0.1, 1.0), (2.5, 1e-6)),
         HalfT, lambda x, df, s: student(x, df, 0, s) + log(2), (0.0, 1e-3, 1e30)),
)  # fmt: skip
