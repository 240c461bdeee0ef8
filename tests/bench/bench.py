#!/usr/bin/env python3
"""bench.py [--quick] [--scale] [--build DIR] - boltz beside its peers and beside the machine.

`make bench` calls it. It prints one table and leaves it in DIR/bench as bench.txt, bench.md and
bench.json, with pictures. Every figure is a ratio within this run: ours and the peer take turns,
medians count, and the machine's limit is measured at the start, in the middle and at the end.
"""
import argparse
import os
import platform
import sys
import tempfile
import time

import inprocess
import plots
import scale
import served
import splines
import table
import user
from engine import Engine
from peers import Torch


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def say(text):
    print("%s %s" % (time.strftime("%H:%M:%S"), text), file=sys.stderr, flush=True)


def limit_rows(engine):
    rows = []
    for precision in ("fp32", "bf16", "int8"):
        for threads in sorted(engine.peaks):
            row = table.Row("limit: multiply and add, %d core%s" % (threads, "s" if threads > 1 else ""),
                            "registers", precision, unit="op/s", note=engine.instructions[precision])
            row.ours = engine.peaks[threads][precision]
            rows.append(row)
    return rows


def pictures(engine, torch, folder):
    """The curves of the pictures, and a line for each picture that could not be drawn."""
    counts = (1, 32, 1000) if engine.quick else (1, 4, 16, 64, 256, 1000, 4000)
    widths = (64, 256) if engine.quick else (32, 64, 100, 128, 256, 512)
    curves = {
        "throughput-n": (inprocess.against(engine, torch, [(n, {"hidden": 256, "n": n}) for n in counts]),
                         "R, H = 256, %d cores" % engine.cores, "n, samples a call"),
        "throughput-h": (inprocess.against(engine, torch, [(h, {"hidden": h, "n": 1000}) for h in widths]),
                         "R, n = 1000, %d cores" % engine.cores, "H, width of a hidden layer"),
    }
    drawn = [plots.draw(folder, name, title, label, "samples a second", lines)
             for name, (lines, title, label) in curves.items()]
    if not all(drawn):
        say("no pictures: matplotlib is not installed: make bench-deps")
    return {name: lines for name, (lines, _, _) in curves.items()}


def about(engine, torch, seconds):
    peaks = engine.peaks[engine.cores]
    return ("%s, %d core%s used, kernel %s, PyTorch %s; limits of this run: %s. %.0f s%s." % (
        processor(), engine.cores, "s" if engine.cores > 1 else "", engine.kernel,
        torch.version or "not installed",
        ", ".join("%s %s" % (p, table.short(v, "op/s")) for p, v in peaks.items()), seconds,
        ", quick: figures are rough" if engine.quick else ""))


def bench(engine, out):
    start = time.time()
    torch = Torch()
    try:
        say("limits")
        engine.look_at_peaks()
        sampled = []
        for hidden in (256, 100, 64):
            say("sampling, H = %d" % hidden)
            sampled += inprocess.sampling(engine, torch, hidden)
        say("one sample")
        single = inprocess.latency(engine, torch)
        engine.look_at_peaks()
        trained = []
        for hidden in (256, 64):
            say("training, H = %d" % hidden)
            trained += inprocess.training(engine, torch, hidden)
        say("spline flow")
        curved = splines.measure(engine, torch)
        say("effective samples")
        effective, costs = user.measure(engine, torch)
        say("pictures")
        curves = pictures(engine, torch, out)
    finally:
        torch.close()
    in_process = {(int(row.flow.split("=")[1]), row.precision): row.ours for row in sampled}
    with tempfile.TemporaryDirectory(prefix="boltz-bench-") as folder:
        say("serving")
        answered = served.measure(engine, folder, in_process)
        say("cold start")
        started = served.cold_start(engine, folder)
    engine.look_at_peaks()
    inprocess.fractions(engine, sampled + trained + curved, engine.cores)
    rows = limit_rows(engine) + sampled + single + trained + curved + answered + started + effective
    judged = [row for row in rows if row.goal]
    tables = [("Side by side", table.HEADS, [row.cells() for row in rows]),
              ("What an error bar costs", user.HEADS, [user.cells(line) for line in costs])]
    record = {"about": about(engine, torch, time.time() - start), "rows": [row.record() for row in rows],
              "error_bars": costs, "curves": curves}
    print(table.write(out, "bench", tables, record["about"], record))
    print("\n%d goals: %d met, %d not met, %d not measured; text, markdown, JSON and pictures are in %s" % (
        len(judged), sum(row.met is True for row in judged), sum(row.met is False for row in judged),
        sum(row.met is None for row in judged), out))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="the folder that make built into")
    parser.add_argument("--out", help="where results go; bench in the build folder by default")
    parser.add_argument("--quick", action="store_true", help="the shortest measurements, in a minute or two")
    parser.add_argument("--scale", action="store_true", help="how cost grows, instead of the table")
    options = parser.parse_args()
    engine = Engine(options.build, options.quick)
    out = options.out or os.path.join(options.build, "bench")
    os.makedirs(out, exist_ok=True)
    if options.scale:
        scale.measure(engine, out)
    else:
        bench(engine, out)


if __name__ == "__main__":
    main()
