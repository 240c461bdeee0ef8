"""rebuild_flow.py CHECKPOINT Z.npy X.npy LOG_Q.npy - a boltz flow in PyTorch, from its file alone.

Reads latents [n, dim], writes configurations [n, dim] and log q [n], all float64."""
import json, math, sys
import numpy as np, torch

raw = open(sys.argv[1], "rb").read()
start = 8 + int.from_bytes(raw[:8], "little")
header = json.loads(raw[8:start])
flow = json.loads(header.pop("__metadata__")["flow"])
ACTIVATION = {"relu": torch.relu, "tanh": torch.tanh, "silu": torch.nn.functional.silu}
W = {k: torch.tensor(np.frombuffer(raw[start:], "<f4", math.prod(t["shape"]), t["data_offsets"][0])
                     .reshape(t["shape"]), dtype=torch.float64) for k, t in header.items()}

def net(name, a, activation):
    depth = sum(k.startswith(name + ".") and k.endswith(".weight") for k in W)
    for k in range(depth):
        a = a @ W[f"{name}.{k}.weight"].T + W[f"{name}.{k}.bias"]
        a = ACTIVATION[activation](a) if k < depth - 1 else a
    return a

x = torch.tensor(np.load(sys.argv[2]), dtype=torch.float64)
assert flow["base"] == "normal", flow["base"]
log_q = -0.5 * (x**2).sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)
for i, layer in enumerate(flow["layers"]):
    z, x = x, x.clone()
    if layer["type"] == "affine_coupling":
        fixed, moved, c = z[:, layer["fixed"]], layer["moved"], layer["scale_cap"]
        s = net(f"layers.{i}.scale", fixed, layer["scale_activation"])
        s = c * torch.tanh(s / c) if c else s
        x[:, moved] = z[:, moved] * s.exp() + net(f"layers.{i}.shift", fixed, layer["shift_activation"])
        log_q = log_q - s.sum(1)
    elif layer["type"] == "interval":
        j, low, high = layer["coordinates"], x.new_tensor(layer["low"]), x.new_tensor(layer["high"])
        x[:, j] = low + (high - low) * torch.special.ndtr(z[:, j])
        log_q = log_q - (torch.log((high - low) / math.sqrt(2 * math.pi)) - 0.5 * z[:, j] ** 2).sum(1)
    elif layer["type"] == "actnorm":
        x = z * W[f"layers.{i}.log_scale"].exp() + W[f"layers.{i}.shift"]
        log_q = log_q - W[f"layers.{i}.log_scale"].sum()
    elif layer["type"] == "permute":
        x = z[:, layer["order"]]
    else:
        sys.exit("no formula here for the layer " + layer["type"])
np.save(sys.argv[3], x.numpy())
np.save(sys.argv[4], log_q.numpy())
