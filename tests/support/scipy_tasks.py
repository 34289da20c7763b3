"""What fifty tasks do in SciPy, whose functions call Python back: `python scipy_tasks.py CASE`."""

from __future__ import annotations

import ctypes
import sys

from scipy import LowLevelCallable, integrate, optimize
from support.many_tasks import check, later


def rounded(value):
    return round(float(value), 5)


def fsolve(k):
    return rounded(optimize.fsolve(lambda x: later(k, x - k), [0.5])[0])


def leastsq(k):
    return rounded(optimize.leastsq(lambda x: later(k, x - k), [0.5])[0][0])


def root(k):
    return rounded(optimize.root(lambda x: later(k, x - k), [0.5], method="hybr").x[0])


def root_of_another_method(k):
    return rounded(optimize.root(lambda x: later(k, x - k), [0.5], method="lm").x[0])


def brentq(k):
    return rounded(optimize.brentq(lambda x: later(k, x - k), -1, 60))


def minimize(k):
    found = optimize.minimize(lambda x: later(k, float((x[0] - k) ** 2)), [0.5], method="BFGS")
    return round(float(found.x[0]), 2)


def quad(k):
    return rounded(integrate.quad(lambda x: later(k, k * x), 0, 1)[0])


def nquad(k):
    ranges, options = [[0, 1], [0, 1]], {"limit": 1}
    return rounded(integrate.nquad(lambda x, y: later(k, k * x * y), ranges, opts=options)[0])


def dblquad(k):
    return rounded(integrate.dblquad(lambda y, x: later(k, k * x * y), 0, 1, 0, 1)[0])


def solve_ivp(k):
    solution = integrate.solve_ivp(lambda t, y: later(k, [k]), (0, 1), [0.0])
    return rounded(solution.y[0][-1])


def solve_ivp_in_fortran(k):
    solution = integrate.solve_ivp(lambda t, y: later(k, [k]), (0, 1), [0.0], method="LSODA")
    return rounded(solution.y[0][-1])


def odeint(k):
    return rounded(integrate.odeint(lambda y, t: later(k, [k]), [0.0], [0.0, 1.0])[-1][0])


def low_level_callable(k):
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    function = kind(lambda x: later(k, k * x))
    return rounded(integrate.quad(LowLevelCallable(function), 0, 1)[0])


def calls_in_calls(k):
    def inner(x):
        return integrate.quad(lambda y: later(k, k * y), 0, 1)[0] - x * k / 2

    return rounded(optimize.fsolve(inner, [0.5])[0])


CASES = {
    "fsolve": (fsolve, float),
    "leastsq": (leastsq, float),
    "root": (root, float),
    "root_of_another_method": (root_of_another_method, float),
    "brentq": (brentq, float),
    "minimize": (minimize, float),
    "quad": (quad, lambda k: k / 2),
    "nquad": (nquad, lambda k: k / 4),
    "dblquad": (dblquad, lambda k: k / 4),
    "solve_ivp": (solve_ivp, float),
    "solve_ivp_in_fortran": (solve_ivp_in_fortran, float),
    "odeint": (odeint, float),
    "low_level_callable": (low_level_callable, lambda k: k / 2),
    "calls_in_calls": (calls_in_calls, lambda k: 1.0 if k else 0.5),
}


if __name__ == "__main__":
    check(*CASES[sys.argv[1]])
