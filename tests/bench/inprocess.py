"""inprocess.py - sampling, one sample and training beside PyTorch, in one process each."""
from engine import PRECISIONS, middle
from peers import DEFAULT
from table import Row, at_least, extra_at_least, of_limit, short

MISSING = "peer not installed: make bench-deps"


def flow_name(hidden):
    return "R, H=%d" % hidden


def fractions(engine, rows, threads):
    """The fraction of the limit, once the peaks are final."""
    for row in rows:
        limit = engine.limit(row.precision, threads)
        if limit and row.ours and row.extra.get("flops"):
            row.fraction = row.ours * row.extra["flops"] / limit


class Turns:
    """Ours and the peer's best and default modes, one after the other, several times."""

    def __init__(self, engine, torch, what, hidden, n, ways, default=DEFAULT, **shape):
        self.engine, self.torch = engine, torch
        self.what, self.hidden, self.n, self.default = what, hidden, n, default
        self.ours, self.theirs, self.shape = {}, {}, shape
        survey = torch.survey(what, hidden, n, engine.seconds / 2, ways, **shape)
        for way, rate in survey.items():
            self.theirs[way] = [rate]

    def best(self, narrow=None):
        """The peer's best way, of those with narrow conditioners or of the others."""
        ways = [way for way in self.theirs if narrow is None or ("bf16" in way[1]) == narrow]
        return max(ways, key=lambda way: middle(self.theirs[way]), default=None)

    def take(self, ours):
        """`ours()` gives {precision: result} of one turn."""
        again = {way for way in (self.best(False), self.default) if way in self.theirs}
        for turn in range(self.engine.repeats):
            for precision, result in ours().items():
                self.ours.setdefault(precision, []).append(result)
            for way in again:
                mode, impl = way
                rate = self.torch.calls(mode, self.what, impl, self.hidden, self.n, self.engine.seconds, **self.shape)
                # The survey's short look was for finding the best way: turns count.
                self.theirs[way] = (self.theirs[way] if turn else []) + [rate]

    def our_rate(self, precision):
        return middle(result and result["rate"] for result in self.ours.get(precision, []))

    def flops(self, precision):
        for result in self.ours.get(precision, []):
            if result:
                return result["flops"]
        return None

    def fill(self, row, scale):
        """The peer's side of a row; `scale` turns calls a second into the row's unit."""
        way = self.best(False)
        if not way:
            row.note = MISSING
            return
        row.peer, row.peer_mode = scale(middle(self.theirs[way])), "%s %s" % way
        if self.default in self.theirs:
            row.default = scale(middle(self.theirs[self.default]))
        row.extra["peer_modes"] = {"%s %s" % w: scale(middle(r)) for w, r in self.theirs.items()}


def fastest(rows, goal):
    """A goal for whatever precision belongs to the fastest that is not a table."""
    rows = [row for row in rows if row.precision != "table" and row.ours]
    if rows:
        best = max if rows[0].better == "more" else min
        best(rows, key=lambda row: row.ours).goal = goal


def sampling_goal(hidden, precision):
    if hidden == 256 and precision == "fp32":
        return [of_limit(0.9), at_least(1.4)]
    if hidden == 256 and precision == "bf16":
        return [at_least(2.8)]
    if hidden == 256 and precision == "int8":
        return [extra_at_least("over_bf16", 1.5, "≥ 1.5× our bf16")]
    if precision == "table" and hidden == 64:
        return [("≥ 100 M/s, or 293× best peer", lambda row: row.ours >= 1e8 or row.ratio >= 293)]
    return []


def sampling(engine, torch, hidden):
    """Rows for one width, n = 1000, all precisions, all cores."""
    turns = Turns(engine, torch, "sample", hidden, 1000, engine.ways)
    turns.take(lambda: engine.rates("sample", PRECISIONS, hidden=hidden, n=1000, threads=engine.cores))
    rows = []
    for precision in PRECISIONS:
        row = Row("sample + log q, n=1000", flow_name(hidden), precision, goal=sampling_goal(hidden, precision))
        row.ours = turns.our_rate(precision)
        turns.fill(row, lambda calls: 1000 * calls)
        if precision != "table":  # a table does not multiply
            row.extra["flops"] = turns.flops(precision)
        rows.append(row)
    narrow, plain = turns.best(True), {row.precision: row.ours or 0 for row in rows}
    for row in rows:
        if row.precision == "int8" and plain["bf16"]:
            row.extra["over_bf16"] = plain["int8"] / plain["bf16"]
            row.note = (row.note + " %.2f× our bf16" % row.extra["over_bf16"]).strip()
        if row.precision == "bf16" and narrow:
            rate = 1000 * middle(turns.theirs[narrow])
            row.extra["peer_bf16"] = rate
            row.note = "best peer in bf16: %s (%s)" % (short(rate, "/s"), narrow[0])
    if hidden != 256:
        fastest(rows, [at_least(4)])
    return rows


def latency(engine, torch):
    """One sample of R in the caller's own thread."""
    turns = Turns(engine, torch, "sample", 256, 1,
                  [("1t", "eager"), ("1t", "jit"), ("1t", "jit for inference"), DEFAULT])
    turns.take(lambda: engine.rates("sample", PRECISIONS, hidden=256, n=1, threads=1))
    rows = []
    for precision in PRECISIONS:
        row = Row("one sample, in process", flow_name(256), precision, unit="s", better="less")
        rate = turns.our_rate(precision)
        row.ours = 1 / rate if rate else None
        turns.fill(row, lambda calls: 1 / calls)
        rows.append(row)
    fastest(rows, [at_least(12.4)])  # 30 µs beside 371
    return rows


def training(engine, torch, hidden):
    """Steps of maximum likelihood, 1000 rows each. One training: two processes would be two."""
    ways = [("1t", "eager"), ("2t", "eager"), ("2tp", "eager"), ("2tp", "foreach")]
    turns = Turns(engine, torch, "train", hidden, 1000, ways[1:3] if engine.quick else ways)
    turns.take(lambda: {"fp32": engine.run("train", hidden=hidden, n=1000, threads=engine.cores,
                                           seconds=2 * engine.seconds)})
    row = Row("training step, 1000 rows", flow_name(hidden), "fp32", goal=[at_least(2 if hidden == 256 else 5)])
    row.ours, row.extra["flops"] = turns.our_rate("fp32"), turns.flops("fp32")
    turns.fill(row, lambda calls: calls)
    return [row]


def against(engine, torch, options):
    """{label: [(x, rows a second)]} for a picture; options: [(x, {"hidden": …, "n": …})]."""
    lines = {"boltz " + precision: [] for precision in PRECISIONS}
    for x, option in options:
        for precision, result in engine.rates("sample", PRECISIONS, threads=engine.cores, **option).items():
            lines["boltz " + precision].append((x, result and result["rate"]))
        if torch.version:
            rates = [torch.calls(mode, "sample", impl, option["hidden"], option["n"], engine.seconds / 2) or 0
                     for mode, impl in (("2p", "eager"), ("2p", "jit"), DEFAULT)]
            lines.setdefault("PyTorch, best mode", []).append((x, option["n"] * max(rates)))
            lines.setdefault("PyTorch, default", []).append((x, option["n"] * rates[-1]))
    return lines
