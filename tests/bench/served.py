"""served.py - the daemon beside FastAPI: requests under wrk, cold start, memory."""
import os
import time

from engine import PRECISIONS, middle
from inprocess import MISSING, fastest, flow_name
from serving import Boltzd, FastAPI, fastapi_installed, load, wrk_installed
from table import Row, at_least, extra_at_least, extra_under, under

NPY = (("Accept", "application/x-npy"),)
WIDTHS = (256, 64)


def write(engine, folder, hidden, precision):
    path = os.path.join(folder, "r%d-%s.safetensors" % (hidden, precision))
    return path if engine.run("write", file=path, hidden=hidden, precision=precision) else None


def prepare(engine, folder, daemon):
    """{(hidden, precision): version number}: a model a width, a version a precision."""
    versions = {}
    for hidden in WIDTHS:
        daemon.register("r%d" % hidden, {"kind": "double_well"})
        for precision in PRECISIONS:
            path = write(engine, folder, hidden, precision)
            try:
                versions[hidden, precision] = daemon.upload("r%d" % hidden, path)
            except (OSError, TypeError):  # a build without that precision
                pass
    return versions


class Work:
    """One line of the table for every precision: `n` samples a request on `connections`."""

    def __init__(self, title, hidden, n, connections, npy=False, precisions=PRECISIONS):
        self.title, self.hidden, self.n, self.connections = title, hidden, n, connections
        self.npy, self.precisions = npy, precisions
        self.ours, self.theirs = {}, {}

    def ask_us(self, engine, daemon, versions):
        for precision in self.precisions:
            version = versions.get((self.hidden, precision))
            if version:
                daemon.drain()
                self.ours.setdefault(precision, []).append(
                    load(daemon.url + "/v1/models/r%d/sample" % self.hidden, self.connections,
                         engine.load_seconds, '{"n": %d, "version": %d}' % (self.n, version),
                         NPY if self.npy else ()))

    def ask_them(self, engine, servers):
        """Two workers are its best; one worker and a dict, what most people write, its default."""
        if not servers:
            return
        best, plain = servers
        query = "?n=%d&hidden=%d" % (self.n, self.hidden)
        for connections in (8, 64):
            best.drain()
            result = load(best.url + "/sample" + query + ("&format=npy" if self.npy else ""), connections,
                          engine.load_seconds)
            self.theirs.setdefault("2 workers, c=%d" % connections, []).append(result)
        if not self.npy:
            plain.drain()
            result = load(plain.url + "/plain" + query, 8, engine.load_seconds)
            self.theirs.setdefault("default", []).append(result)

    def rate(self, results):
        rate = middle(result["rate"] for result in results)
        return rate and rate * self.n

    def rows(self, goals, in_process):
        best = max((way for way in self.theirs if way != "default"), key=lambda way: self.rate(self.theirs[way]) or 0,
                   default=None)
        rows = []
        for precision in self.precisions:
            row = Row(self.title, flow_name(self.hidden), precision)
            results = [result for result in self.ours.get(precision, []) if result["rate"]]
            if results:
                row.ours = self.rate(results)
                row.extra["p99_ms"] = middle(result["p99_ms"] for result in results)
                row.note = "p99 %.3g ms" % row.extra["p99_ms"]
                errors = [result["errors"] for result in results if result["errors"]]
                if errors:
                    row.note += ", " + errors[0]
                inside = in_process.get((self.hidden, precision))
                if inside and self.n > 1:
                    row.extra["of_in_process"] = row.ours / inside
                    row.note += ", %.0f %% of in process" % (100 * row.ours / inside)
            else:
                row.note = "no version, or no reply in time"
            if best:
                row.peer, row.peer_mode = self.rate(self.theirs[best]), "FastAPI " + best
                row.default = self.rate(self.theirs["default"]) if "default" in self.theirs else None
            else:
                row.note += ", " + MISSING
            rows.append(row)
        fastest(rows, goals)
        return rows


def works(quick):
    some = ("fp32", "int8", "table")
    return [
        (Work("served n=1 JSON, c=64 [requests]", 256, 1, 64),
         [at_least(28.6), extra_under("p99_ms", 5, "p99 < 5 ms")]),
        (Work("served n=1000 JSON, c=8 [samples]", 256, 1000, 8),
         [extra_at_least("of_in_process", 0.9, "≥ 90 % of in process")]),
        (Work("served n=1000 JSON, c=8 [samples]", 64, 1000, 8), [at_least(6)]),
        (Work("served n=1000 NPY, c=8 [samples]", 256, 1000, 8, True, some), []),
        (Work("served n=1000 NPY, c=8 [samples]", 64, 1000, 8, True, some), []),
    ]


def measure(engine, folder, in_process):
    """Rows; `in_process` {(hidden, precision): samples a second}."""
    chosen = works(engine.quick)
    if not wrk_installed():
        row = Row("served", "R")
        row.note = "wrk not installed: make bench-deps"
        return [row]
    data = os.path.join(folder, "data")
    os.mkdir(data)
    daemon, servers = Boltzd(engine.daemon, data), []
    try:
        daemon.wait("/livez", None)
        versions = prepare(engine, folder, daemon)
        if fastapi_installed():
            servers = [FastAPI(2), FastAPI(1)]
        for _ in range(1 if engine.quick else 2):
            for work, _ in chosen:
                work.ask_us(engine, daemon, versions)
                work.ask_them(engine, servers)
    finally:
        for server in [daemon] + servers:
            server.stop()
    return [row for work, goals in chosen for row in work.rows(goals, in_process)]


def start_once(make, path, body):
    """Seconds from exec to the first sample's last byte, and MiB then."""
    start = time.perf_counter()
    server = make()
    try:
        server.wait(path, body)
        return time.perf_counter() - start, server.memory()
    finally:
        server.stop()


def cold_start(engine, folder):
    rows = []
    theirs = [start_once(lambda: FastAPI(1), "/sample?n=1", b"")
              for _ in range(1 if engine.quick else 3)] if fastapi_installed() else []
    for precision in PRECISIONS:
        path = write(engine, folder, 256, precision)
        data = os.path.join(folder, "cold-" + precision)
        os.mkdir(data)
        daemon = Boltzd(engine.daemon, data)
        try:
            daemon.wait("/livez", None)
            daemon.register("r256", {"kind": "double_well"})
            daemon.upload("r256", path)
        except (OSError, TypeError):
            continue
        finally:
            daemon.stop()
        ours = [start_once(lambda: Boltzd(engine.daemon, data), "/v1/models/r256/sample", {"n": 1})
                for _ in range(engine.repeats)]
        goals = {"s": [under(0.05, "< 50 ms")], "MiB": [under(32, "< 32 MiB")]}
        for k, (title, unit) in enumerate((("cold start to first sample", "s"), ("resident memory then", "MiB"))):
            row = Row(title, flow_name(256), precision, unit=unit, better="less", goal=goals[unit])
            row.ours = middle(result[k] for result in ours)
            if theirs:
                row.peer, row.peer_mode = middle(result[k] for result in theirs), "FastAPI 1 worker"
            else:
                row.note = MISSING
            rows.append(row)
    return sorted(rows, key=lambda row: row.unit == "MiB")
