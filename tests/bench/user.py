"""user.py - the user's own metric: effective samples a second, and what an error bar costs."""
from engine import middle
from inprocess import MISSING, Turns
from peers import DEFAULT
from table import Row, short

TARGETS = (
    # energy, what is averaged, its words, the error bar
    ("double_well", "difference", "F(right) − F(left)", 0.01, "etc/examples/example-double-well.safetensors"),
    ("harmonic_pair", "energy", "⟨u⟩", 0.01, "etc/examples/example-harmonic-pair.safetensors"),
)
HEADS = ["energy", "method", "samples", "ESS fraction, or 1/τ", "effective", "energy calls", "time",
         "value ± error of the run"]


def torch_rate(engine, torch):
    """R with energies and weights, on the double well: rows a second, the way, the default's."""
    turns = Turns(engine, torch, "weigh", 256, 1000, engine.ways)
    turns.take(lambda: {p: engine.run("effective", of="difference", hidden=256, precision=p, n=1000,
                                      threads=engine.cores, seconds=engine.seconds) for p in ("fp32", "bf16", "int8")})
    way = turns.best(None)
    best = 1000 * middle(turns.theirs[way]) if way else None
    default = 1000 * middle(turns.theirs[DEFAULT]) if DEFAULT in turns.theirs else None
    return best, way and "%s %s" % way, default, {p: turns.our_rate(p) for p in turns.ours}


def best_flow(engine, target):
    """{precision: result} of the trained example, fp32 first."""
    energy, of, _, _, path = target
    results = {}
    for precision in ("fp32", "bf16", "int8", "table"):
        turns = [engine.run("effective", file=path, of=of, precision=precision, n=1000,
                            threads=engine.cores, seconds=2 * engine.seconds) for _ in range(engine.repeats)]
        turns = sorted((t for t in turns if t), key=lambda t: t["rate"])
        if turns:
            results[precision] = turns[len(turns) // 2]
    return results


def cost(target, method, rate, fraction, variance, measured=""):
    """A line of the second table: what the error bar costs at var V = variance/n."""
    energy, of, words, bar, _ = target
    calls = variance / bar ** 2
    return {"energy": energy, "quantity": words, "bar": bar, "method": method, "rate": rate,
            "fraction": fraction, "effective_rate": rate * fraction, "energy_calls": calls,
            "seconds": calls / rate, "measured": measured}


def cells(line):
    return ["%s, %s ± %g" % (line["energy"], line["quantity"], line["bar"]), line["method"],
            short(line["rate"], "/s"), "%.3g" % line["fraction"], short(line["effective_rate"], "/s"),
            short(line["energy_calls"]), short(line["seconds"], "s"), line["measured"]]


def measure(engine, torch):
    """Rows of the main table and lines of the second one."""
    peer, way, default, r_rates = torch_rate(engine, torch)
    rows, lines = [], []
    r_row = Row("effective samples, double_well", "R, H=256 on both sides",
                max(r_rates, key=lambda p: r_rates[p] or 0) if r_rates else "",
                note="ESS fraction credited to both: 1" if peer else MISSING)
    r_row.ours = max((r or 0 for r in r_rates.values()), default=None)
    r_row.peer, r_row.peer_mode, r_row.default = peer, way, default
    rows.append(r_row)
    for target in TARGETS:
        energy, of = target[:2]
        results = best_flow(engine, target)
        walk = engine.run("metropolis", energy=energy, of=of, threads=engine.cores, seconds=engine.seconds)
        best = max(results, key=lambda p: results[p]["rate"] * results[p]["ess_fraction"])
        for precision in dict.fromkeys(("fp32", best)):
            result = results[precision]
            goal = []
            if energy == "double_well" and precision == best:
                goal = [("≥ 100× R in PyTorch", lambda row: row.ratio >= 100)]
            row = Row("effective samples, " + energy, "shipped example, H=64", precision, goal=goal)
            row.ours = result["rate"] * result["ess_fraction"]
            row.peer, row.peer_mode, row.default = peer, way and "R H=256, ESS 1, " + way, default
            row.note = "ESS fraction %.4f" % result["ess_fraction"] if peer else MISSING
            rows.append(row)
            measured = "%.4f ± %.4f" % (result["value"], result["stderr"])
            lines.append(cost(target, "boltz, shipped example, " + precision, result["rate"],
                              result["ess_fraction"], result["variance"], measured))
        independent = results["fp32"]["variance_independent"]
        if peer:
            lines.append(cost(target, "PyTorch, R H=256, %s, ESS fraction taken as 1" % way, peer, 1, independent))
        if walk:
            tau = walk["autocorrelation_time"]
            lines.append(cost(target, "Metropolis, step %g, acceptance %.2f, τ = %.3g" % (
                walk["step"], walk["acceptance"], tau), walk["rate"], 1 / tau, independent * tau))
    return rows, lines
