"""scale.py - how cost grows: with dim, H, depth, n, workers, waiting requests; memory with n."""
import os
import tempfile

import plots
import table
from engine import PRECISIONS
from serving import Boltzd, load, wrk_installed

BASE = {"dim": 2, "hidden": 64, "blocks": 4, "depth": 3, "n": 1000}
SWEEPS = (
    ("dim", (2, 4, 8, 16, 32, 64, 128, 256, 512)),
    ("hidden", (16, 32, 64, 100, 128, 256, 512)),
    ("depth", (1, 2, 3, 4, 6)),
    ("blocks", (1, 2, 4, 8, 16)),
    ("n", (1, 4, 16, 64, 256, 1000, 4000, 16000)),
)
HEADS = ["varied", "value"] + ["%s [samples/s]" % p for p in PRECISIONS] + ["fp32 of limit"]


def sweep(engine, name, values):
    """Lines of one sweep: samples a second in every precision on all cores; fp32 beside the limit."""
    lines = []
    for value in values:
        option = dict(BASE, **{name: value})
        results = engine.rates("sample", PRECISIONS, threads=engine.cores, **option)
        fp32 = results["fp32"]
        lines.append({"varied": name, "value": value,
                      **{p: result and result["rate"] for p, result in results.items()},
                      "fp32_of_limit": fp32 and fp32["rate"] * fp32["flops"] / engine.limit("fp32", engine.cores)})
    return lines


def workers(engine):
    lines = []
    for threads in range(1, engine.cores + 1):
        results = engine.rates("sample", PRECISIONS, threads=threads, **dict(BASE, hidden=256))
        fp32 = results["fp32"]
        lines.append({"varied": "threads, H=256", "value": threads,
                      **{p: result and result["rate"] for p, result in results.items()},
                      "fp32_of_limit": fp32 and fp32["rate"] * fp32["flops"] / engine.limit("fp32", threads)})
    return lines


def cells(line):
    return [line["varied"], str(line["value"])] + [table.short(line[p], "/s") for p in PRECISIONS] + [
        "–" if line["fp32_of_limit"] is None else "%.0f %%" % (100 * line["fp32_of_limit"])]


def queue(engine, daemon):
    """Requests of one sample each, from ever more connections."""
    lines = []
    for connections in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        result = load(daemon.url + "/v1/models/r/sample", connections, engine.load_seconds, '{"n": 1}')
        lines.append(dict(result, connections=connections))
    return lines


def memory(engine, daemon):
    """MiB above idle at most, while one request of n samples is answered."""
    lines = []
    for n in (1000, 10000, 100000, 1000000):
        for accept in ("application/json", "application/x-npy"):
            idle = daemon.memory()
            daemon.memory_mark()
            try:
                size = len(daemon.call("/v1/models/r/sample", {"n": n}, {"Accept": accept}))
            except OSError as error:  # over a limit of the daemon
                lines.append({"n": n, "accept": accept, "reply_bytes": None, "mib": None, "error": str(error)})
                continue
            lines.append({"n": n, "accept": accept, "reply_bytes": size,
                          "mib": max(0, daemon.memory("VmHWM") - idle)})
    return lines


def served(engine):
    """Queue depth and memory, of a daemon with a small flow in the cheapest precision it takes."""
    with tempfile.TemporaryDirectory(prefix="boltz-bench-") as folder:
        data, path = os.path.join(folder, "data"), os.path.join(folder, "r.safetensors")
        os.mkdir(data)
        engine.run("write", file=path, hidden=BASE["hidden"])
        daemon = Boltzd(engine.daemon, data)
        try:
            daemon.wait("/livez", None)
            daemon.register("r", {"kind": "double_well"})
            daemon.upload("r", path)
            return queue(engine, daemon) if wrk_installed() else [], memory(engine, daemon)
        finally:
            daemon.stop()


def draw(out, sweeps, queued, used):
    drawn = []
    for name, lines in sweeps.items():
        curves = {p: [(line["value"], line[p]) for line in lines] for p in PRECISIONS}
        drawn.append(plots.draw(out, "scale-" + name, "R with H = 64, dim 2 and n = 1000, but for " + name,
                                name, "samples a second", curves))
    if queued:
        drawn.append(plots.draw(out, "scale-connections", "requests of one sample", "connections", "",
                                {"requests a second": [(q["connections"], q["rate"]) for q in queued],
                                 "p99 [ms]": [(q["connections"], q["p99_ms"]) for q in queued]}))
    drawn.append(plots.draw(out, "scale-memory", "one request of n samples", "n", "MiB above idle", {
        accept: [(u["n"], u["mib"]) for u in used if u["accept"] == accept]
        for accept in ("application/json", "application/x-npy")}))
    return all(drawn)


def measure(engine, out):
    engine.seconds /= 2
    engine.look_at_peaks()
    sweeps = {name: sweep(engine, name, values) for name, values in SWEEPS}
    sweeps["threads"] = workers(engine)
    queued, used = served(engine)
    tables = [("Cost of a sample, R with H=64, dim 2, n=1000 but for what is varied", HEADS,
               [cells(line) for lines in sweeps.values() for line in lines])]
    if queued:
        tables.append(("Waiting requests, n=1, JSON", ["connections", "requests", "p50", "p99", "errors"],
                       [[str(q["connections"]), table.short(q["rate"], "/s"), "%.3g ms" % q["p50_ms"],
                         "%.3g ms" % q["p99_ms"], q["errors"] or ""] for q in queued]))
    tables.append(("Memory of one request", ["n", "as", "reply", "above idle"],
                   [[str(u["n"]), u["accept"], table.short(u["reply_bytes"], "B"),
                     u.get("error") or "%.1f MiB" % u["mib"]] for u in used]))
    about = "kernel %s, %d cores%s" % (engine.kernel, engine.cores, ", quick: figures are rough" if engine.quick else "")
    print(table.write(out, "scale", tables, about, {"about": about, "sweeps": sweeps, "queue": queued, "memory": used}))
    if not draw(out, sweeps, queued, used):
        print("no pictures: matplotlib is not installed: make bench-deps")
    if not queued:
        print("no load on the daemon: wrk is not installed: make bench-deps")
