"""What scaling buys, as a law: Amdahl's, and Gunther's Universal Scalability Law. Pure.

With N clients (or nodes, replicas, CPUs) the throughput is

    X(N) = single · N / (1 + contention · (N − 1) + coherency · N · (N − 1))

*Contention* is the share of the work that waits in one queue, *coherency* what every pair of N
costs to stay in step. Without coherency it is Amdahl's law, which only ever flattens; with it the
throughput falls beyond the *knee*, sqrt((1 − contention) / coherency).

G. Amdahl, "Validity of the single processor approach to achieving large scale computing
capabilities", AFIPS 1967. N. Gunther, "Guerrilla Capacity Planning", Springer 2007, chapters 4 to
6; the throughput of one is a parameter like the others, as in version 2 and later of the R package
``usl`` (S. Moeding), because the measurement at N = 1 is no more exact than the rest.

Method: least squares within the bounds (nothing below 0, and contention is a share), begun at the
solution of the law's linear form N / X(N), or at a constant where that is nearer. Standard errors
come from the curvature there; beside a parameter that lies on its bound they are too wide rather
than too narrow. They hold for the noise that is assumed: the same at every N, as the literature
has it, or *proportional* to the throughput, as it is over the rounds of a run. Taken for the
other, intervals cover too little.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scalelab.errors import Inconclusive, UsageError
from scalelab.measure.statistics import ALPHA

MIN_SIZES = 4
"""Different N below which no law is fitted: three parameters, and one to tell how well."""
_NOTHING = 1e-6
"""Coherency that changes the throughput by less than this share within the data is 0."""

_SAME = 1e-9
"""Throughputs that differ by a smaller share are the same: there is no variance to explain."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A parameter, and its standard error (None where the data do not give one)."""

    value: float
    error: float | None


@dataclass(frozen=True)
class Law:
    """A law as fitted.

    Parameters
    ----------
    single : throughput of N = 1.
    contention, coherency : as in the module's text; Amdahl's law has a coherency of exactly 0.
    r_squared : share of the throughput's variance it explains, weighted as the fit was; None
        where all are the same.
    freedom : measurements beyond the parameters fitted.
    """

    single: Estimate
    contention: Estimate
    coherency: Estimate
    r_squared: float | None
    freedom: int

    def throughput(self, n: float) -> float:
        """What the law expects at N."""
        return float(_law(np.asarray(n, dtype=np.float64), *self._values()))

    @property
    def knee(self) -> float | None:
        """The N of the highest throughput; None without coherency: it never falls."""
        if self.coherency.value == 0:
            return None
        # Below 1 it falls from the start.
        return max(1.0, math.sqrt((1 - self.contention.value) / self.coherency.value))

    @property
    def knee_is_sure(self) -> bool:
        """Whether the 95% t interval of the coherency excludes 0, so that there is a knee."""
        from scipy.special import stdtrit

        if self.coherency.value == 0 or self.coherency.error is None:
            return False
        half = float(stdtrit(self.freedom, 1 - ALPHA / 2)) * self.coherency.error
        return self.coherency.value > half

    def _values(self) -> tuple[float, float, float]:
        return self.single.value, self.contention.value, self.coherency.value


def amdahl(measured: Iterable[tuple[float, float]], *, proportional: bool = False) -> Law:
    """Amdahl's law, fitted.

    Parameters
    ----------
    measured : pairs of N and the throughput there; an N may come several times.
    proportional : the noise grows with the throughput.

    Raises
    ------
    UsageError : fewer than ``MIN_SIZES`` different N, or what is no throughput.
    Inconclusive : no curve of this law comes near.
    """
    return _fit(measured, 2, proportional)


def universal(measured: Iterable[tuple[float, float]], *, proportional: bool = False) -> Law:
    """The Universal Scalability Law, fitted; takes and raises what ``amdahl`` does."""
    return _fit(measured, 3, proportional)


def _law(n: Numbers, single: float, contention: float, coherency: float = 0.0) -> Numbers:
    return np.asarray(single * n / (1 + contention * (n - 1) + coherency * n * (n - 1)))


def _fit(measured: Iterable[tuple[float, float]], parameters: int, proportional: bool) -> Law:
    from scipy.optimize import OptimizeWarning, curve_fit

    n, throughput = _checked(measured)
    # All parameters near 1 or below, whatever the unit of the throughput.
    scale = float((throughput / n).max())
    weights = 1 / throughput**2 if proportional else np.ones_like(throughput)
    bounds = (0.0, [np.inf, 1.0, np.inf][:parameters])
    try:
        with warnings.catch_warnings():
            # Said by an error of None.
            warnings.simplefilter("ignore", OptimizeWarning)
            found, covariance = curve_fit(
                _law,
                n,
                throughput / scale,
                p0=_begin(n, throughput / scale, weights, parameters),
                sigma=throughput / scale if proportional else None,
                bounds=bounds,
                x_scale="jac",
                ftol=1e-14,
                xtol=1e-14,
                gtol=1e-14,
                max_nfev=10_000,
            )
    except RuntimeError:
        raise Inconclusive(
            "no scaling law comes near these throughputs", "measure with more rounds"
        ) from None
    if parameters == 3 and found[2] * n.max() ** 2 < _NOTHING:
        found[2] = 0.0
    units = np.array([scale, 1.0, 1.0])[:parameters]
    values = (found * units).tolist()
    errors = [
        error if math.isfinite(error) else None
        for error in (np.sqrt(np.diag(covariance)) * units).tolist()
    ]
    left = throughput - scale * _law(n, *found)
    spread = throughput - np.average(throughput, weights=weights)
    explained = None
    if np.ptp(throughput) > _SAME * throughput.max():
        explained = float(1 - (weights * left) @ left / ((weights * spread) @ spread))
    estimates = [Estimate(value, error) for value, error in zip(values, errors, strict=True)]
    return Law(
        single=estimates[0],
        contention=estimates[1],
        coherency=estimates[2] if parameters == 3 else Estimate(0.0, None),
        r_squared=explained,
        freedom=len(n) - parameters,
    )


def _checked(measured: Iterable[tuple[float, float]]) -> tuple[Numbers, Numbers]:
    pairs = sorted(measured)
    for n, throughput in pairs:
        if not (math.isfinite(n) and n >= 1):
            raise UsageError(f"a scaling law begins at N = 1, not {n:g}", "measure from 1 up")
        if not (math.isfinite(throughput) and throughput > 0):
            raise UsageError(
                f"the throughput at N = {n:g} is {throughput:g}", "leave that N out of the fit"
            )
    sizes = len({n for n, _ in pairs})
    if sizes < MIN_SIZES:
        raise UsageError(
            f"a scaling law needs at least {MIN_SIZES} different N, not {sizes}",
            "measure at more of them, such as 1,2,4,8,16",
        )
    table = np.asarray(pairs, dtype=np.float64)
    return table[:, 0], table[:, 1]


def _begin(n: Numbers, throughput: Numbers, weights: Numbers, parameters: int) -> Numbers:
    """Where to begin: the solution of the linear form, or a constant where that is nearer.

    N / X(N) is linear in 1, N − 1 and N (N − 1); noise may make little of it.
    """
    from scipy.optimize import nnls

    terms = np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=1)[:, :parameters]
    (one, *rest), _ = nnls(terms, n / throughput)
    begins = [np.array([np.average(throughput, weights=weights), 1.0, 0.0][:parameters])]
    if one > 0:
        contention, *coherency = (each / one for each in rest)
        begins.append(np.array([1 / one, min(1.0, contention), *coherency]))

    def cost(begin: Numbers) -> float:
        return float(weights @ (throughput - _law(n, *begin)) ** 2)

    return min(begins, key=cost)
