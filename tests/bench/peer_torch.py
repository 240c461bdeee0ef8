"""peer_torch.py - the peer: architecture R in plain PyTorch, and a spline flow.

R is 8 affine couplings; in each two networks of 3 hidden layers, s (ReLU, tanh at its end) and
t (tanh). The spline flow is 8 couplings with one network (ReLU) each. As a program it is one worker of a mode: it reads a measurement as a line of JSON from
stdin and answers with a line, so that torch is loaded once, with the threads its environment
names."""
import json
import os
import sys
import time

import torch
from torch import nn

from peer_splines import SplineCoupling

HALF_LOG_2PI = 0.9189385332046727


def network(n_in, n_out, hidden, depth, activation, last=None):
    modules, width = [], n_in
    for _ in range(depth):
        modules += [nn.Linear(width, hidden), activation()]
        width = hidden
    modules.append(nn.Linear(width, n_out))
    if last is not None:
        modules.append(last())
    return nn.Sequential(*modules)


class Coupling(nn.Module):
    def __init__(self, fixed, moved, hidden, depth):
        super().__init__()
        self.s = network(fixed, moved, hidden, depth, nn.ReLU, nn.Tanh)
        self.t = network(fixed, moved, hidden, depth, nn.Tanh)

    def forward(self, a, b):
        s, t = self.s(a), self.t(a)
        return torch.addcmul(t, b, torch.exp(s)), s.sum(1)

    def inverse(self, a, b):
        s, t = self.s(a), self.t(a)
        return (b - t) * torch.exp(-s), -s.sum(1)


def coupling_of(layers, fixed, moved, hidden, depth):
    if layers == "affine":
        return Coupling(fixed, moved, hidden, depth)
    return SplineCoupling(network(fixed, moved * SplineCoupling.PARAMETERS, hidden, depth, nn.ReLU), moved)


class Flow(nn.Module):
    def __init__(self, dim=2, hidden=256, depth=3, couplings=8, layers="affine"):
        super().__init__()
        torch.manual_seed(0)
        self.dim, self.half = dim, (dim + 1) // 2
        first, rest = self.half, dim - self.half
        self.layers = nn.ModuleList(
            coupling_of(layers, *((first, rest) if i % 2 == 0 else (rest, first)), hidden, depth)
            for i in range(couplings))

    def forward(self, z):
        a, b = z[:, :self.half], z[:, self.half:]
        log_det = torch.zeros(z.shape[0])
        for i, coupling in enumerate(self.layers):
            if i % 2 == 0:
                b, part = coupling(a, b)
            else:
                a, part = coupling(b, a)
            log_det = log_det + part
        return torch.cat((a, b), 1), log_det

    def inverse(self, x):
        a, b = x[:, :self.half], x[:, self.half:]
        log_det = torch.zeros(x.shape[0])
        for i in range(len(self.layers) - 1, -1, -1):
            if i % 2 == 0:
                b, part = self.layers[i].inverse(a, b)
            else:
                a, part = self.layers[i].inverse(b, a)
            log_det = log_det + part
        return torch.cat((a, b), 1), log_det


class Sampler(nn.Module):
    """Latents to configurations and log q."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def forward(self, z):
        x, log_det = self.flow(z)
        return x, -0.5 * (z * z).sum(1) - self.flow.dim * HALF_LOG_2PI - log_det


class Density(nn.Module):
    """Configurations to log q."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def forward(self, x):
        z, log_det = self.flow.inverse(x)
        return log_det - 0.5 * (z * z).sum(1) - self.flow.dim * HALF_LOG_2PI


class Weigher(nn.Module):
    """Latents to configurations, log q, energies and log weights."""

    def __init__(self, flow):
        super().__init__()
        self.sampler = Sampler(flow)

    def forward(self, z):
        x, log_q = self.sampler(z)
        u = energy(x)
        return x, log_q, u, -u - log_q


def energy(x):
    """The double well: x1^4 - 6 x1^2 + x1 + x_j^2/2."""
    q = x[:, 0] * x[:, 0]
    return q * q - 6 * q + x[:, 0] + 0.5 * (x[:, 1:] ** 2).sum(1)


def sampling(what, impl, n, flow):
    dim = flow.dim
    module = {"weigh": Weigher, "density": Density, "sample": Sampler}[what](flow.requires_grad_(False)).eval()
    if impl in ("jit", "jit for inference"):
        module = torch.jit.freeze(torch.jit.trace(module, torch.randn(n, dim), check_trace=False))
    if impl == "jit for inference":
        module = torch.jit.optimize_for_inference(module)

    def once():
        with torch.no_grad():
            if impl == "bf16 autocast":
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    return module(torch.randn(n, dim))
            return module(torch.randn(n, dim))
    return once


def training(impl, n, flow):
    optimiser = torch.optim.Adam(flow.parameters(), lr=1e-4, foreach=impl == "foreach")
    data = torch.randn(n, flow.dim)

    def once():
        optimiser.zero_grad(set_to_none=True)
        z, log_det = flow.inverse(data)
        loss = (0.5 * (z * z).sum(1) - log_det).mean()
        loss.backward()
        optimiser.step()
    return once


def measure(what, impl, n, seconds, **shape):
    """Calls a second; a call that is long is made but twice."""
    flow = Flow(**shape)
    make = training(impl, n, flow) if what == "train" else sampling(what, impl, n, flow)
    for _ in range(3):  # warm: the jit compiles in its first calls
        start = time.perf_counter()
        make()
        if time.perf_counter() - start > seconds:
            break
    start, calls = time.perf_counter(), 0
    while True:
        make()
        calls += 1
        spent = time.perf_counter() - start
        if spent >= seconds:
            return calls / spent


def main():
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        try:
            answer = {"calls": measure(**json.loads(line))}
        except Exception as error:  # a mode that this torch does not have
            answer = {"error": "%s: %s" % (type(error).__name__, str(error).split("\n")[0])}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
