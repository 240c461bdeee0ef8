"""Pareto k of fixed weight sets, for tests/test_stats.c, written from the papers alone:
Zhang & Stephens 2009 (the fit), Vehtari et al. 1507.02646 appendix C (the tail and the prior).

  python3 pareto_k.py > pareto_k.txt

The sets come from the generator x -> 6364136223846793005 x + 1442695040888963407 mod 2^64, started
at 2024, each draw u = (x >> 11 + 1/2) / 2^53; every set starts it afresh.
"""
import numpy as np


def uniforms(n):
    x, u = 2024, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        u[i] = ((x >> 11) + 0.5) / 2.0**53
    return u


def gpd_fit(x):
    n, m = len(x), 30 + int(np.floor(np.sqrt(len(x))))
    x_star = x[int(np.floor(n / 4 + 0.5)) - 1]
    j = np.arange(1, m + 1)
    theta = 1 / x[-1] + (1 - np.sqrt(m / (j - 0.5))) / (3 * x_star)
    k = np.log1p(-np.outer(theta, x)).mean(axis=1)
    profile = n * (np.log(-theta / k) - k - 1)
    weight = 1 / np.exp(profile[None, :] - profile[:, None]).sum(axis=1)
    k_hat = np.log1p(-(theta * weight).sum() * x).mean()
    return (n * k_hat + 10 * 0.5) / (n + 10)


def pareto_k(log_w):
    n = len(log_w)
    w = np.sort(np.exp(log_w - log_w.max()))
    m = int(np.ceil(min(0.2 * n, 3 * np.sqrt(n))))
    return gpd_fit(w[-m:] - w[-m - 1])


SETS = {
    "pareto 0.7, n = 2000": -0.7 * np.log(uniforms(2000)),
    "pareto 0.4, n = 40": -0.4 * np.log(uniforms(40)),
    "exponential weights, n = 1000": np.log(-np.log(uniforms(1000))),
    "uniform weights, n = 500": np.log(uniforms(500)),
    "normal log weights of sigma 2, n = 5000": 2 * (uniforms(60000).reshape(5000, 12).sum(axis=1) - 6),
}

for name, log_w in SETS.items():
    print(f"{name}: {pareto_k(log_w):.15f}")
