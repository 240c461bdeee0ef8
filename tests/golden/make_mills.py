"""make_mills.py - Mills' ratio R(x) = Phi(-x)/phi(x) in 50 digits, from its series and its continued
fraction alone: the coefficients of core/base/normal.h, and the numbers of tests/test_normal.c and of
polar in tests/test_polar.c.

  python3 make_mills.py

The series is R(x) = sqrt(pi/2) exp(x^2/2) - sum of x^(2 n + 1)/(2 n + 1)!!, the fraction
R(x) = 1/(x + 1/(x + 2/(x + 3/(x + ...)))). The polynomial is Chebyshev's interpolation of
(x + 2) R(x) in u = (x - 5)/(x + 5).
"""
from decimal import Decimal as D, getcontext

getcontext().prec = 80
NODES, DEGREE = 40, 23
PI = D("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803")
HALF_LOG_2PI = (2 * PI).ln() / 2


def mills(x):
    if x < 12:
        term = total = x
        n = 0
        while abs(term) > D(10) ** -85:
            n += 1
            term *= x * x / (2 * n + 1)
            total += term
        return (PI / 2).sqrt() * (x * x / 2).exp() - total
    f = D(0)
    for n in range(500, 0, -1):
        f = n / (x + f)
    return 1 / (x + f)


def log_tail(a):
    """ln Phi(-a)"""
    below = mills(abs(a)).ln() - a * a / 2 - HALF_LOG_2PI
    if a >= 0:
        return below
    p = below.exp()
    return -sum(p**n / n for n in range(1, 400))


def cosine(k, n):
    """cos(pi k/n)"""
    x = PI * (k % (2 * n)) / n
    term = total = D(1)
    m = 0
    while abs(term) > D(10) ** -85:
        m += 2
        term *= -x * x / (m * (m - 1))
        total += term
    return total


def scaled(u):
    x = 5 * (1 + u) / (1 - u)
    return (x + 2) * mills(x)


def coefficients():
    """of powers of u"""
    values = [scaled(cosine(2 * j + 1, 2 * NODES)) for j in range(NODES)]
    out = [D(0)] * (DEGREE + 1)
    before, here = [D(1)], [D(0), D(1)]
    for k in range(DEGREE + 1):
        c = sum(v * cosine(k * (2 * j + 1), 2 * NODES) for j, v in enumerate(values)) * 2 / NODES
        chebyshev = before
        for power, factor in enumerate(chebyshev):
            out[power] += factor * (c / 2 if k == 0 else c)
        after = [D(0)] + [2 * v for v in here]
        for power, factor in enumerate(before):
            after[power] -= factor
        before, here = here, after
    return out


print("coefficients")
for c in coefficients():
    print(float(c).hex(), "%.17g" % float(c))
print("a, R(|a|), ln Phi(-a), rho = sqrt(-2 ln Phi(-a)), ln h = ln phi(a) - ln Phi(-a)")
for a in ("-38", "-37", "-20", "-8", "-3", "-1", "-0.125", "0", "0.125", "1", "3", "8", "20", "38", "200", "1e8"):
    a = D(a)
    tail = log_tail(a)
    slope = -a * a / 2 - HALF_LOG_2PI - tail
    print(*("%.17g" % float(v) for v in (a, mills(abs(a)), tail, (-2 * tail).sqrt(), slope)))
