"""<|m|> and log Z of the N x N Ising model at T = 1, h = 0, for tests/http/long.c and core/exact/spins.c.

A transfer matrix whose rows carry exp(i theta x spins down): its trace, at N^2 + 1 angles, is the Fourier transform of
the distribution of the magnetization. Usage: ising_abs_m.py [J ...]; prints J, <|m|>, log Z."""
import sys

import numpy

N = 8
states = numpy.arange(2**N)
down = numpy.array([bin(s).count("1") for s in states])
turned = (states >> 1 | states << (N - 1)) & (2**N - 1)
along = N - 2 * down[states ^ turned]
across = N - 2 * down[states[:, None] ^ states[None, :]]


def ising(J):
    count = N * N + 1
    transfer = numpy.exp(J * (along[:, None] + across - 2 * N))
    traces = []
    for k in range(count):
        turns = numpy.exp(2j * numpy.pi * k * down / count)
        traces.append(numpy.trace(numpy.linalg.matrix_power(transfer * turns, N)))
    p = numpy.fft.fft(traces).real
    m = numpy.abs(1 - 2 * numpy.arange(count) / (count - 1))
    return (m * p).sum() / p.sum(), numpy.log(traces[0].real) + 2 * N * N * J


for J in [float(a) for a in sys.argv[1:]] or [0.4, 0.8, numpy.log(1 + numpy.sqrt(2)) / 2]:
    print("%.17g %.12f %.12f" % (J, *ising(J)))
