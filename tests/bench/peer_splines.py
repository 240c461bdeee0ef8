"""peer_splines.py - the peer's rational-quadratic spline coupling (Durkan et al. 2019), as torch has it
fastest: one softmax for widths and heights, a search among the inner knots, gathers."""
import math

import torch
from torch import nn
from torch.nn.functional import pad, softmax, softplus

BINS, BOUND, LEAST = 8, 5.0, 1e-3
OFFSET = math.log(math.exp(1 - LEAST) - 1)  # a raw slope of 0 is the slope 1


class SplineCoupling(nn.Module):
    """Curves on [-BOUND, BOUND], the identity beyond; `net` has 3 BINS - 1 outputs a curve."""
    PARAMETERS = 3 * BINS - 1

    def __init__(self, net, moved):
        super().__init__()
        self.net, self.moved = net, moved

    def curves(self, a):
        """Knots [rows, moved, 2, BINS + 1], latents first, and slopes [rows, moved, BINS + 1]."""
        raw = self.net(a).view(a.shape[0], self.moved, self.PARAMETERS)
        sizes = softmax(raw[..., :2 * BINS].reshape(a.shape[0], self.moved, 2, BINS), -1)
        knots = pad((LEAST + (1 - LEAST * BINS) * sizes).cumsum(-1), (1, 0)) * (2 * BOUND) - BOUND
        return knots, pad(LEAST + softplus(raw[..., 2 * BINS:] + OFFSET), (1, 1), value=1.0)

    def bins(self, a, value, side):
        """Of each row's bin: lower knot, width, height, slopes; `side` says whose knots to search."""
        knots, slopes = self.curves(a)
        inner = knots[:, :, side, 1:-1].detach().contiguous()
        k = torch.searchsorted(inner, value.unsqueeze(-1), right=True)
        both = torch.cat((k, k + 1), -1)
        x, y = knots[:, :, 0].gather(-1, both), knots[:, :, 1].gather(-1, both)
        d = slopes.gather(-1, both)
        return x[..., 0], x[..., 1] - x[..., 0], y[..., 0], y[..., 1] - y[..., 0], d[..., 0], d[..., 1]

    @staticmethod
    def log_slope(xi, s, d0, d1):
        t = xi * (1 - xi)
        below = s + (d0 + d1 - 2 * s) * t
        above = d1 * xi * xi + 2 * s * t + d0 * (1 - xi) * (1 - xi)
        return torch.log(above * (s / below) ** 2)

    @staticmethod
    def inside_only(inside, value, moved, log_slope):
        return torch.where(inside, moved, value), torch.where(inside, log_slope, torch.zeros_like(log_slope)).sum(1)

    def forward(self, a, b):
        x, w, y, h, d0, d1 = self.bins(a, b.clamp(-BOUND, BOUND), 0)
        s, inside = h / w, b.abs() <= BOUND
        xi = (b.clamp(-BOUND, BOUND) - x) / w
        t = xi * (1 - xi)
        moved = y + h * (s * xi * xi + d0 * t) / (s + (d0 + d1 - 2 * s) * t)
        return self.inside_only(inside, b, moved, self.log_slope(xi, s, d0, d1))

    def inverse(self, a, b):
        x, w, y, h, d0, d1 = self.bins(a, b.clamp(-BOUND, BOUND), 1)
        s, inside = h / w, b.abs() <= BOUND
        up = b.clamp(-BOUND, BOUND) - y
        bend = up * (d0 + d1 - 2 * s)
        p, q, r = h * (s - d0) + bend, h * d0 - bend, -s * up
        xi = 2 * r / (-q - torch.sqrt((q * q - 4 * p * r).clamp_min(0)))
        moved, log_slope = self.inside_only(inside, b, x + w * xi, self.log_slope(xi, s, d0, d1))
        return moved, -log_slope
