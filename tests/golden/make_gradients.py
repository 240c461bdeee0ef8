"""make_gradients.py - golden flows, losses and gradients by PyTorch, for tests/test_golden.c.

Run in this directory: /usr/bin/python3 make_gradients.py
For each case it writes
  golden_<case>.safetensors            a checkpoint; weights from a fixed numpy seed, float32
  golden_<case>_expected.safetensors   float64: inputs z and x, what the flow makes of them, the
                                       losses J_ML and J_KL, and their gradients for every tensor
Everything is evaluated in float64 from the float32 weights; formulas as in the documents."""
import json
import math

import numpy as np
import torch
from torch.nn.functional import relu, silu

ROWS = 16
ACTIVATION = {"relu": relu, "tanh": torch.tanh, "silu": silu}


def coupling(fixed, moved, hidden, scale_activation, shift_activation, cap):
    return {"type": "affine_coupling", "fixed": fixed, "moved": moved, "hidden": hidden,
            "scale_activation": scale_activation, "shift_activation": shift_activation,
            "scale_cap": cap}


CASES = {
    "pair": {
        "energy": {"kind": "harmonic_pair", "k": 1, "L": 4, "confine_both": False},
        "temperature": 1.25, "dim": 2,
        "layers": [coupling([0], [1], [8, 7], "relu", "tanh", 1),
                   coupling([1], [0], [8], "silu", "silu", 0),
                   {"type": "actnorm"},
                   {"type": "interval", "coordinates": [0], "low": [0], "high": [4]}]},
    "well": {
        "energy": {"kind": "double_well", "a": 1, "b": 6, "c": 1, "d": 1, "dim": 4},
        "temperature": 1, "dim": 4,
        "layers": [coupling([2, 0], [1, 3], [8, 6], "relu", "tanh", 1),
                   {"type": "permute", "order": [3, 1, 0, 2]},
                   coupling([0, 1], [2, 3], [9], "silu", "relu", 2.5),
                   {"type": "actnorm"},
                   coupling([2, 3], [1, 0], [5, 5, 5], "relu", "tanh", 1)]},
}


# The energies U(x).
def harmonic_pair(e, x):
    return e["k"] * (x[:, 1] - x[:, 0]) ** 2


def double_well(e, x):
    x1 = x[:, 0]
    return e["a"] * x1**4 - e["b"] * x1**2 + e["c"] * x1 + 0.5 * e["d"] * (x[:, 1:] ** 2).sum(1)


# Weights.
def make_weights(layers, dim, rng):
    """Names and float32 arrays, in the order of the file."""
    weights = {}
    for i, layer in enumerate(layers):
        if layer["type"] == "affine_coupling":
            for net in ("scale", "shift"):
                widths = [len(layer["fixed"])] + layer["hidden"] + [len(layer["moved"])]
                for k, (n_in, n_out) in enumerate(zip(widths, widths[1:])):
                    name = f"layers.{i}.{net}.{k}"
                    weights[name + ".weight"] = 0.8 * rng.standard_normal((n_out, n_in)) / n_in**0.5
                    weights[name + ".bias"] = 0.3 * rng.standard_normal(n_out)
        elif layer["type"] == "actnorm":
            weights[f"layers.{i}.log_scale"] = 0.3 * rng.standard_normal(dim)
            weights[f"layers.{i}.shift"] = 0.3 * rng.standard_normal(dim)
    return {name: w.astype("<f4") for name, w in weights.items()}


# The flow, both ways: each returns the image and log|det d(image)/d(argument)|.
def conditioner(W, name, a, activation):
    k = 0
    while f"{name}.{k}.weight" in W:
        a = ACTIVATION[activation](a) if k > 0 else a
        a = a @ W[f"{name}.{k}.weight"].T + W[f"{name}.{k}.bias"]
        k += 1
    return a


def scale_and_shift(layer, W, i, a):
    c = layer["scale_cap"]
    r = conditioner(W, f"layers.{i}.scale", a, layer["scale_activation"])
    t = conditioner(W, f"layers.{i}.shift", a, layer["shift_activation"])
    return (c * torch.tanh(r / c) if c else r), t


def replace(x, columns, values):
    """x with some columns replaced; differentiable."""
    out = list(x.unbind(1))
    for j, column in zip(columns, values.unbind(1)):
        out[j] = column
    return torch.stack(out, 1)


def interval_log_slope(layer, z):
    width = torch.tensor(layer["high"], dtype=z.dtype) - torch.tensor(layer["low"], dtype=z.dtype)
    return (torch.log(width) - 0.5 * math.log(2 * math.pi) - 0.5 * z**2).sum(1), width


def to_x(layers, W, x):
    log_det = torch.zeros(len(x), dtype=x.dtype)
    for i, layer in enumerate(layers):
        if layer["type"] == "affine_coupling":
            s, t = scale_and_shift(layer, W, i, x[:, layer["fixed"]])
            x = replace(x, layer["moved"], x[:, layer["moved"]] * torch.exp(s) + t)
            log_det = log_det + s.sum(1)
        elif layer["type"] == "actnorm":
            x = x * torch.exp(W[f"layers.{i}.log_scale"]) + W[f"layers.{i}.shift"]
            log_det = log_det + W[f"layers.{i}.log_scale"].sum()
        elif layer["type"] == "permute":
            x = x[:, layer["order"]]
        elif layer["type"] == "interval":
            z = x[:, layer["coordinates"]]
            slope, width = interval_log_slope(layer, z)
            low = torch.tensor(layer["low"], dtype=x.dtype)
            x = replace(x, layer["coordinates"], low + width * torch.special.ndtr(z))
            log_det = log_det + slope
    return x, log_det


def to_z(layers, W, x):
    log_det = torch.zeros(len(x), dtype=x.dtype)
    for i, layer in reversed(list(enumerate(layers))):
        if layer["type"] == "affine_coupling":
            s, t = scale_and_shift(layer, W, i, x[:, layer["fixed"]])
            x = replace(x, layer["moved"], (x[:, layer["moved"]] - t) * torch.exp(-s))
            log_det = log_det - s.sum(1)
        elif layer["type"] == "actnorm":
            x = (x - W[f"layers.{i}.shift"]) * torch.exp(-W[f"layers.{i}.log_scale"])
            log_det = log_det - W[f"layers.{i}.log_scale"].sum()
        elif layer["type"] == "permute":
            x = x[:, np.argsort(layer["order"])]
        elif layer["type"] == "interval":
            p = x[:, layer["coordinates"]]
            low, high = (torch.tensor(layer[k], dtype=x.dtype) for k in ("low", "high"))
            z = torch.special.ndtri((p - low) / (high - low))
            slope, _ = interval_log_slope(layer, z)
            x = replace(x, layer["coordinates"], z)
            log_det = log_det - slope
    return x, log_det


def log_normal(z):
    return -0.5 * (z**2).sum(1) - 0.5 * z.shape[1] * math.log(2 * math.pi)


# Files.
def write_safetensors(path, tensors, metadata=None):
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, array in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": {"<f4": "F32", "<f8": "F64"}[array.dtype.str],
                        "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text + data)


def metadata_of(case, name):
    dump = lambda value: json.dumps(value, separators=(",", ":"))
    return {"format": "boltz", "format_version": "1", "model": "golden-" + name,
            "energy": dump(case["energy"]), "temperature": str(case["temperature"]),
            "flow": dump({"base": "normal", "layers": case["layers"]}), "precision": "fp32",
            "step": "0", "seed": "0", "producer": "make_gradients.py", "metrics": "{}"}


def gradients(loss, W, prefix):
    grads = torch.autograd.grad(loss, list(W.values()), allow_unused=True)
    return {prefix + name: (torch.zeros_like(W[name]) if g is None else g).numpy().copy()
            for name, g in zip(W, grads)}


def make(name, case):
    rng = np.random.default_rng(20240229)
    layers, dim = case["layers"], case["dim"]
    weights = make_weights(layers, dim, rng)
    write_safetensors(f"golden_{name}.safetensors", weights, metadata_of(case, name))
    W = {k: torch.tensor(w, dtype=torch.float64, requires_grad=True) for k, w in weights.items()}

    z = torch.tensor(rng.standard_normal((ROWS, dim)))
    x_data = rng.standard_normal((ROWS, dim))
    for layer in layers:
        if layer["type"] == "interval":
            for j, low, high in zip(layer["coordinates"], layer["low"], layer["high"]):
                x_data[:, j] = rng.uniform(low + 0.05, high - 0.05, ROWS)
    x = torch.tensor(x_data)

    energy = {"harmonic_pair": harmonic_pair, "double_well": double_well}[case["energy"]["kind"]]
    x_of_z, log_det_x = to_x(layers, W, z)
    z_of_x, log_det_z = to_z(layers, W, x)
    u = energy(case["energy"], x_of_z) / case["temperature"]
    j_kl = (u - log_det_x).mean()
    j_ml = -(log_normal(z_of_x) + log_det_z).mean()
    expected = {"z": z, "x_of_z": x_of_z, "log_q_of_z": log_normal(z) - log_det_x, "u_of_z": u,
                "x": x, "z_of_x": z_of_x, "log_q_of_x": log_normal(z_of_x) + log_det_z,
                "j_kl": j_kl.reshape(1), "j_ml": j_ml.reshape(1)}
    expected = {k: v.detach().numpy() for k, v in expected.items()}
    expected.update(gradients(j_kl, W, "kl/"))
    expected.update(gradients(j_ml, W, "ml/"))
    write_safetensors(f"golden_{name}_expected.safetensors", expected)


for case_name in CASES:
    make(case_name, CASES[case_name])
