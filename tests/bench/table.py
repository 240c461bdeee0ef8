"""table.py - rows of the benchmark, judged against their goals, as text, markdown and JSON."""
import json
import os

PREFIXES = [(1e9, " G"), (1e6, " M"), (1e3, " k"), (1, " "), (1e-3, " m"), (1e-6, " µ"), (1e-9, " n")]


def short(value, unit=""):
    """Three digits and a prefix."""
    if value is None:
        return "–"
    if value == 0:
        return "0 " + unit
    for size, prefix in PREFIXES:
        if abs(value) >= size * 0.9995 or size == 1e-9:
            digits = value / size
            text = "%.0f" % digits if abs(digits) >= 99.95 else "%.3g" % digits
            return (text + prefix + unit).strip()
    return "%.3g %s" % (value, unit)


class Row:
    """One thing measured. `better` is "more" or "less"; a goal is a list of (sentence, holds(row))."""

    def __init__(self, work, flow, precision="", unit="/s", better="more", goal=(), note=""):
        self.work, self.flow, self.precision = work, flow, precision
        self.unit, self.better, self.goal, self.note = unit, better, list(goal), note
        self.ours = self.peer = self.peer_mode = self.default = self.fraction = None
        self.extra = {}

    @property
    def ratio(self):
        if not self.ours or not self.peer:
            return None
        return self.ours / self.peer if self.better == "more" else self.peer / self.ours

    @property
    def met(self):
        """None: there is no goal, or what it compares with was not measured."""
        if not self.goal:
            return None
        try:
            return all(holds(self) for _, holds in self.goal)
        except TypeError:  # a comparison with what is not there
            return None

    def cells(self):
        goal = ", ".join(sentence for sentence, _ in self.goal)
        met = {True: "met", False: "not met", None: "–"}[self.met]
        peer = short(self.peer, self.unit) + (" (%s)" % self.peer_mode if self.peer and self.peer_mode else "")
        return [self.work, self.flow, self.precision, short(self.ours, self.unit), peer,
                short(self.default, self.unit),
                "–" if self.ratio is None else "%.3g×" % self.ratio,
                "–" if self.fraction is None else "%.0f %%" % (100 * self.fraction),
                goal or "–", met if goal else "–", self.note]

    def record(self):
        return {"work": self.work, "flow": self.flow, "precision": self.precision, "unit": self.unit,
                "better": self.better, "ours": self.ours, "peer": self.peer, "peer_mode": self.peer_mode,
                "peer_default": self.default, "ratio": self.ratio, "fraction_of_limit": self.fraction,
                "goal": [sentence for sentence, _ in self.goal], "met": self.met, "note": self.note,
                **self.extra}


HEADS = ["work", "flow", "precision", "ours", "best peer", "its default", "ratio", "of limit", "goal",
         "", "note"]


def at_least(times):
    return ("≥ %g× best peer" % times, lambda row: row.ratio >= times)


def of_limit(fraction):
    return ("≥ %g %% of limit" % (100 * fraction), lambda row: row.fraction >= fraction)


def extra_at_least(name, value, sentence):
    return (sentence, lambda row: row.extra.get(name) >= value)


def extra_under(name, value, sentence):
    return (sentence, lambda row: row.extra.get(name) < value)


def under(value, sentence):
    return (sentence, lambda row: row.ours < value)


def as_text(heads, lines):
    widths = [max(len(line[k]) for line in [heads] + lines) for k in range(len(heads))]
    show = lambda line: "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
    return "\n".join([show(heads), "  ".join("-" * width for width in widths)] + [show(l) for l in lines])


def as_markdown(heads, lines):
    show = lambda line: "| " + " | ".join(line) + " |"
    return "\n".join([show(heads), "|" + "---|" * len(heads)] + [show(line) for line in lines])


def write(folder, name, tables, about, record):
    """tables: [(title, heads, lines)]; NAME.txt, .md and .json in the folder; the text is returned."""
    os.makedirs(folder, exist_ok=True)
    text = "\n\n".join([about] + [title + "\n\n" + as_text(heads, lines) for title, heads, lines in tables])
    markdown = "\n\n".join([about] + ["**%s**\n\n%s" % (title, as_markdown(heads, lines))
                                      for title, heads, lines in tables])
    for suffix, content in (("txt", text), ("md", markdown), ("json", json.dumps(record, indent=1))):
        with open(os.path.join(folder, name + "." + suffix), "w") as file:
            file.write(content + "\n")
    return text
