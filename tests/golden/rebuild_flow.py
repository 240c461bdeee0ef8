"""rebuild_flow.py CHECKPOINT Z.npy X.npy LOG_Q.npy - a boltz flow in numpy, from its file alone.

Reads latents [n, dim]; writes configurations [n, dim] and log q [n], all in float64."""
import json, math, sys
import numpy as np

raw = open(sys.argv[1], "rb").read()
start = 8 + int.from_bytes(raw[:8], "little")
header = json.loads(raw[8:start])
flow = json.loads(header.pop("__metadata__")["flow"])
W = {k: np.frombuffer(raw[start:], "<f4", math.prod(t["shape"]), t["data_offsets"][0])
     .reshape(t["shape"]).astype(float) for k, t in header.items()}
ACTIVATION = {"relu": lambda a: np.maximum(a, 0), "tanh": np.tanh, "silu": lambda a: a / (1 + np.exp(-a))}
Phi = np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2)))

def net(name, a, activation):
    depth = sum(k.startswith(name + ".") and k.endswith(".weight") for k in W)
    for k in range(depth):
        a = a @ W[f"{name}.{k}.weight"].T + W[f"{name}.{k}.bias"]
        a = ACTIVATION[activation](a) if k < depth - 1 else a
    return a

x = np.load(sys.argv[2])
log_q = -0.5 * (x**2).sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)
for i, l in enumerate(flow["layers"]):
    z, x = x, x.copy()
    if l["type"] == "affine_coupling":
        r = net(f"layers.{i}.scale", z[:, l["fixed"]], l["scale_activation"])
        s = l["scale_cap"] * np.tanh(r / l["scale_cap"]) if l["scale_cap"] else r
        t = net(f"layers.{i}.shift", z[:, l["fixed"]], l["shift_activation"])
        x[:, l["moved"]], log_q = z[:, l["moved"]] * np.exp(s) + t, log_q - s.sum(1)
    elif l["type"] == "interval":
        j, low, width = l["coordinates"], np.array(l["low"]), np.array(l["high"]) - np.array(l["low"])
        x[:, j] = low + width * Phi(z[:, j])
        log_q = log_q - (np.log(width / math.sqrt(2 * math.pi)) - 0.5 * z[:, j] ** 2).sum(1)
    elif l["type"] == "actnorm":
        x = z * np.exp(W[f"layers.{i}.log_scale"]) + W[f"layers.{i}.shift"]
        log_q = log_q - W[f"layers.{i}.log_scale"].sum()
    elif l["type"] == "permute":
        x = z[:, l["order"]]
    else:
        sys.exit("no formula here for the layer " + l["type"])
np.save(sys.argv[3], x)
np.save(sys.argv[4], log_q)
