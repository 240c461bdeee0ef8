"""make_spline.py - monotone rational-quadratic splines in 50 digits, for tests/test_rq_spline.c,
written from the papers alone: Durkan et al. 1906.04032 (eq. 4 and the text around it), Rezende et
al. 2002.02428 (ends of a circle). No part of the inverse or of the slope is from them: the inverse
is found by bisection, ln(dv/du) from a difference.

  python3 make_spline.py > spline.txt

A case of the output: a line of ends, bins, low, high, number of parameters; one of the parameters,
which are floats; and six of z, x, ln dx/dz. Ends: line (slope 1, identity beyond), interval (own
slopes), circle (one slope for both).
"""
from decimal import Decimal as D, getcontext
from struct import pack, unpack

getcontext().prec = 70
LEAST = D("0.001")
OFFSET = ((1 - LEAST).exp() - 1).ln()  # softplus of it is 1 - LEAST


def randoms():
    x = 2024
    while True:
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (x >> 11) / 2.0**53


def softplus(v):
    return (1 + v.exp()).ln()


def knots(raw):
    """Knots from 0 to 1 of sizes LEAST + (1 - LEAST n) softmax."""
    e = [r.exp() for r in raw]
    sizes = [LEAST + (1 - LEAST * len(raw)) * v / sum(e) for v in e]
    return [sum(sizes[:k], D(0)) for k in range(len(raw) + 1)]


def slopes(ends, raw):
    d = [LEAST + softplus(r + OFFSET) for r in raw]
    return {"line": [D(1)] + d + [D(1)], "interval": d, "circle": d + d[:1]}[ends]


class Spline:
    def __init__(self, ends, bins, parameters):
        r = [D(p) for p in parameters]
        self.x, self.y = knots(r[:bins]), knots(r[bins : 2 * bins])
        self.d, self.bins = slopes(ends, r[2 * bins :]), bins

    def __call__(self, u):
        k = next((k for k in range(self.bins) if u < self.x[k + 1]), self.bins - 1)
        x0, x1, y0, y1 = self.x[k], self.x[k + 1], self.y[k], self.y[k + 1]
        s, xi = (y1 - y0) / (x1 - x0), (u - x0) / (x1 - x0)
        above = (y1 - y0) * (s * xi**2 + self.d[k] * xi * (1 - xi))
        return y0 + above / (s + (self.d[k + 1] + self.d[k] - 2 * s) * xi * (1 - xi))


def bisect(f, y):
    low, high = D(0), D(1)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < y else (low, middle)
    return (low + high) / 2


def log_slope(f, u):
    h = D("1e-15")
    return ((f(u + h) - f(u - h)) / (2 * h)).ln()


CASES = [("line", 8, -5.0, 5.0, 2.0), ("line", 2, -1.5, 1.5, 6.0), ("line", 64, -3.0, 3.0, 1.0),
         ("interval", 8, 0.0, 4.0, 3.0), ("interval", 3, -1.0, 0.25, 9.0),
         ("circle", 8, 0.0, 6.25, 2.5), ("circle", 2, -3.0, 3.5, 5.0)]
random = randoms()
for ends, bins, low, high, spread in CASES:
    count = 2 * bins + {"line": bins - 1, "interval": bins + 1, "circle": bins}[ends]
    raw = [unpack("f", pack("f", spread * (2 * next(random) - 1)))[0] for _ in range(count)]
    curve = Spline(ends, bins, raw)
    low_, width = D(low), D(high) - D(low)
    print(ends, bins, low, high, count)
    print(*[f"{r:.9g}" for r in raw])
    for row in range(6):
        x_given = row % 2 == 1
        given = D(low + (high - low) * next(random))
        at = (given - low_) / width
        u = bisect(curve, at) if x_given else at
        z = low_ + width * u if x_given else given
        x = given if x_given else low_ + width * curve(u)
        print(*[format(v, ".20g") for v in (z, x, log_slope(curve, u))])
