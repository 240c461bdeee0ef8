"""rebuild_flow.py CHECKPOINT Z.npy X.npy LOG_Q.npy - a boltz flow in numpy, from its file alone.

Reads latents [n, dim]; writes configurations [n, dim] and log q [n], all in float64. Every base and
every layer is here, written from its formula and the papers that this cites. Particles that are
alike (exchange) stay in the order of their latents, where a sample has them in any."""
import itertools, json, math, sys
import numpy as np

Phi = np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2)), [float])
log_phi = lambda z: -0.5 * (z**2 + math.log(2 * math.pi))

# ---- Where coordinates live at a place in the flow: low, high and whether that is a period

REAL = (-math.inf, math.inf, False)

def turns(z, domain):  # widths from low on
    return (z - domain[0]) / (domain[1] - domain[0])

def wrap(z, domain):
    return z - np.floor(turns(z, domain)) * (domain[1] - domain[0])

# ---- Bases: log p0(z) of settings s, tensors w and latents z; domains becomes where z lives

def circular(s, w, z, domains):
    for j, low, high in zip(s["coordinates"], s["low"], s["high"]):
        domains[j] = (low, high, True)
    log_volume = np.log(np.subtract(s["high"], s["low"])).sum()
    return log_phi(np.delete(z, s["coordinates"], 1)).sum(1) - log_volume

def uniform(s, w, z, domains):
    domains[:] = [(l, h, j in s["periodic"]) for j, (l, h) in enumerate(zip(s["low"], s["high"]))]
    inside = ((z >= s["low"]) & (z <= s["high"])).all(1)
    return np.where(inside, -np.log(np.subtract(s["high"], s["low"])).sum(), -np.inf)

def gaussians(s, w, z, domains):  # of every component the factor A: A^T A inverts its covariance
    factors, terms = w["factor"].reshape(-1, z.shape[1], z.shape[1]), []
    for share, mean, A in zip(w["weight"] / w["weight"].sum(), w["mean"], factors):
        if share > 0:
            terms.append(np.log(share) + np.linalg.slogdet(A)[1] + log_phi((z - mean) @ A.T).sum(1))
    return np.logaddexp.reduce(terms)

BASES = {"normal": lambda s, w, z, domains: log_phi(z).sum(1), "circular": circular,
         "uniform": uniform, "mixture": gaussians, "laplace": gaussians}

# ---- Networks, and what they see

ACTIVATION = {"relu": lambda a: np.maximum(a, 0), "tanh": np.tanh,
              "silu": lambda a: a / (1 + np.exp(-a))}

def net(w, name, activation, a):
    depth = sum(k.startswith(name + ".") and k.endswith(".weight") for k in w)
    for k in range(depth):
        a = a @ w[f"{name}.{k}.weight"].T + w[f"{name}.{k}.bias"]
        a = ACTIVATION[activation](a) if k < depth - 1 else a
    return a

def see(z, j, domain):
    angle = 2 * np.pi * turns(z[:, j], domain) if domain[2] else 0
    return [np.cos(angle), np.sin(angle)] if domain[2] else [z[:, j]]

def fixed(s, z, domains):
    return np.stack([a for j in s["fixed"] for a in see(z, j, domains[j])], 1)

def sites(s, z, domains):
    """For every site that moves: what the network sees there, and the coordinates it moves.

    A site sees those up to `reach` steps away along each axis of the periodic lattice: in row-major
    order from -reach to reach, or, where the side is not longer than that, from 0 on and once. What
    is not fixed is seen as zeros; a place where no site sees anything fixed is no input."""
    sides, reach, width = s["lattice"], s["reach"], z.shape[1] // math.prod(s["lattice"])
    axes = [range(-reach, reach + 1) if 2 * reach + 1 < n else range(n) for n in sides]
    steps, near = list(itertools.product(*axes)), {}
    for site in sorted({j // width for j in s["moved"]}):
        at = np.array(np.unravel_index(site, sides))
        others = [np.ravel_multi_index(at + step, sides, "wrap") for step in steps]
        near[site] = [other * width + k for other in others for k in range(width)]
    kept = [any(j in s["fixed"] for j in place) for place in zip(*near.values())]
    for site, seen in near.items():
        seen = itertools.compress(seen, kept)
        a = [a * (j in s["fixed"]) for j in seen for a in see(z, j, domains[j])]
        yield np.stack(a, 1), sorted(j for j in s["moved"] if j // width == site)

# ---- Curves: Durkan et al. 2019, eqs. 4-5; with one slope for both ends: Rezende et al. 2020

LEAST = 1e-3  # of a width, a height and a slope
OFFSET = math.log(math.expm1(1 - LEAST))  # makes the slope 1 of the parameter 0

def knots(r):
    e = np.exp(r - r.max(1, keepdims=True))
    sizes = LEAST + (1 - LEAST * r.shape[1]) * e / e.sum(1, keepdims=True)
    return np.hstack([0 * r[:, :1], sizes.cumsum(1)])

def parameters(s, domain):  # of a curve: widths, heights, slopes
    return 3 * s["bins"] + (-1 if domain == REAL else 0 if domain[2] else 1)

def curve(s, r, z, domain):
    """x and ln dx/dz of z [n]; the parameters are the first ones of each row of r, n rows or 1."""
    bins, i, one = s["bins"], np.arange(len(z)) % len(r), np.ones((len(r), 1))
    low, high = (-s["bound"], s["bound"]) if domain == REAL else domain[:2]
    u, v = knots(r[:, :bins]), knots(r[:, bins : 2 * bins])
    d = LEAST + np.logaddexp(0, r[:, 2 * bins : parameters(s, domain)] + OFFSET)
    d = np.hstack([one, d, one] if domain == REAL else [d, d[:, :1]] if domain[2] else [d])
    at = turns(wrap(z, domain) if domain[2] else z, (low, high))
    k = (at[:, None] >= u[i, 1:-1]).sum(1)
    w, h, d0, d1 = np.diff(u)[i, k], np.diff(v)[i, k], d[i, k], d[i, k + 1]
    slope, xi = h / w, (at - u[i, k]) / w
    t = xi * (1 - xi)
    below = slope + (d0 + d1 - 2 * slope) * t
    x = low + (high - low) * (v[i, k] + h * (slope * xi**2 + d0 * t) / below)
    rise = slope**2 * (d1 * xi**2 + 2 * slope * t + d0 * (1 - xi) ** 2) / below**2
    beyond = (domain == REAL) & ((z < low) | (z > high))
    return np.where(beyond, z, x), np.log(np.where(beyond, 1, rise))

# ---- Layers: of settings s, tensors w and z the coordinates j that move, x_j and log|det dx/dz|

def affine_coupling(s, w, z, domains):
    a, c = fixed(s, z, domains), s["scale_cap"]
    r, t = net(w, "scale", s["scale_activation"], a), net(w, "shift", s["shift_activation"], a)
    r = c * np.tanh(r / c) if c else r
    return s["moved"], z[:, s["moved"]] * np.exp(r) + t, r.sum(1)

def additive_coupling(s, w, z, domains):
    return s["moved"], z[:, s["moved"]] + net(w, "shift", s["activation"], fixed(s, z, domains)), 0

def spline_coupling(s, w, z, domains):
    order, x, log_det = [], [], 0
    for a, moved in sites(s, z, domains) if s["lattice"] else [(fixed(s, z, domains), s["moved"])]:
        r = net(w, "spline", s["activation"], a)
        for j in moved:
            x_j, rise = curve(s, r, z[:, j], domains[j])
            r = r[:, parameters(s, domains[j]):]
            order, x, log_det = order + [j], x + [x_j], log_det + rise
    return order, np.stack(x, 1), log_det

def spline(s, w, z, domains):
    j = s["coordinates"] or range(len(domains))
    x, rise = zip(*[curve(s, r[None], z[:, k], domains[k]) for k, r in zip(j, w["curve"])])
    return j, np.stack(x, 1), sum(rise)

def circular_shift(s, w, z, domains):
    j = s["coordinates"]
    return j, np.stack([wrap(z[:, k] + t, domains[k]) for k, t in zip(j, w["shift"])], 1), 0

def interval(s, w, z, domains):
    j, width = s["coordinates"], np.subtract(s["high"], s["low"])
    for k, low, high in zip(j, s["low"], s["high"]):
        domains[k] = (low, high, False)
    return j, s["low"] + width * Phi(z[:, j]), (np.log(width) + log_phi(z[:, j])).sum(1)

def actnorm(s, w, z, domains):
    return range(len(domains)), z * np.exp(w["log_scale"]) + w["shift"], w["log_scale"].sum()

def whitening(s, w, z, domains):
    j = s["coordinates"] or range(len(domains))
    V = np.eye(len(j))
    for v in np.triu(w["reflection"]):
        V = V - 2 * np.outer(V @ v, v) / (v @ v) if v.any() else V
    return j, w["mean"] + (z[:, j] * np.exp(w["log_scale"])) @ V.T, w["log_scale"].sum()

def linear(s, w, z, domains):
    j = s["coordinates"] or range(len(domains))
    L = np.tril(w["triangles"], -1) + np.eye(len(j))
    U = np.triu(w["triangles"], 1) + np.diag(np.exp(w["log_scale"]))
    order = s["permutation"] or range(len(j))
    return j, (z[:, j] @ (L @ U).T)[:, order] + w["shift"], w["log_scale"].sum()

def mean_free(s, w, z, domains):
    j = np.reshape(s["coordinates"] or range(len(domains)), (-1, s["space"]))  # particle, axis
    n, k = len(j), np.arange(1, len(j))
    rows = np.triu(np.ones((n, n - 1))) - np.eye(n, n - 1, -1) * k  # Helmert's, but for their size
    rows = np.column_stack([np.full(n, n**-0.5), rows / np.sqrt(k * (k + 1))])
    return j, np.einsum("pk,nka->npa", rows, z[:, j]), 0

def polar(s, w, z, domains):
    j = np.reshape(s["coordinates"] or range(len(domains)), (-1, 2))
    a, alpha = z[:, j[:, 0]], z[:, j[:, 1]]
    alpha[:, 1:] += alpha[:, :1] * s["relative"]
    t = np.where(a < 0, -np.log1p(-Phi(np.minimum(a, 0))), -np.log(Phi(-np.maximum(a, 0))))
    r = np.exp(w["log_scale"]) * np.sqrt(2 * t)
    log_det = (log_phi(a) + t + 2 * w["log_scale"]).sum(1)
    return j, np.stack([r * np.cos(alpha), r * np.sin(alpha)], 2), log_det

def relative(s, w, z, domains):
    x, j = z.copy(), s["coordinates"]
    for k, to in zip(j, s["to"]):
        x[:, k] = wrap(x[:, k] + x[:, to], domains[k]) if domains[k][2] else x[:, k] + x[:, to]
    return j, x[:, j], 0

def exchange(s, w, z, domains):
    """In order is what no ring of particles brings nearer, each taking the next one's place."""
    j = np.add.outer(s["particles"], range(s["width"]))
    cost = ((z[:, j][:, :, None] - w["reference"].reshape(j.shape)) ** 2).sum(3)  # particle, place
    cost = cost - np.einsum("npp->np", cost)[:, :, None]
    for k in range(len(j)):  # the shortest ways from one to another: Floyd 1962
        cost = np.minimum(cost, cost[:, :, k, None] + cost[:, k, None])
    in_order = (np.einsum("npp->np", cost) >= 0).all(1)
    return j, z[:, j], np.where(in_order, math.lgamma(len(j) + 1), -np.inf)  # of n! copies

def permute(s, w, z, domains):
    domains[:] = [domains[k] for k in s["order"]]
    return range(len(domains)), z[:, s["order"]], 0

MAKE_REAL = (affine_coupling, additive_coupling, actnorm, whitening, linear, mean_free, polar)
OTHERS = (spline_coupling, spline, circular_shift, interval, relative, exchange, permute)
LAYERS = {f.__name__: f for f in MAKE_REAL + OTHERS}

# ---- The file

raw = open(sys.argv[1], "rb").read()
start = 8 + int.from_bytes(raw[:8], "little")
header = json.loads(raw[8:start])
flow = json.loads(header.pop("__metadata__")["flow"])
W = {k: np.frombuffer(raw, "<f4", math.prod(t["shape"]), start + t["data_offsets"][0])
     .reshape(t["shape"]).astype(float) for k, t in header.items()}

def look_up(table, s, prefix):  # the formula, its settings and tensors
    s = {"type": s} if isinstance(s, str) else s
    if s["type"] not in table:
        sys.exit("no formula here for " + s["type"])
    return table[s["type"]], s, {k[len(prefix):]: t for k, t in W.items() if k.startswith(prefix)}

x = np.load(sys.argv[2])
domains = [REAL] * x.shape[1]
base, s, w = look_up(BASES, flow["base"], "base.")
log_q = base(s, w, x, domains)
for i, s in enumerate(flow["layers"]):
    layer, s, w = look_up(LAYERS, s, f"layers.{i}.")
    j, x_j, log_det = layer(s, w, x.copy(), domains)
    x[:, j], log_q = x_j, log_q - log_det
    for k in np.ravel(j) if layer in MAKE_REAL else []:
        domains[k] = REAL
np.save(sys.argv[3], x)
np.save(sys.argv[4], log_q)
