"""engine.py - what is measured of boltz in process, and the limits of the machine in this run."""
import json
import os
import statistics
import subprocess

PRECISIONS = ("fp32", "bf16", "int8", "table")

# How PyTorch is tried: every way of running it in every mode; bf16 where it counts for most, since
# a processor without the instructions emulates it, slowly.
WAYS = [(mode, impl) for mode in ("1t", "2t", "2tp", "2p") for impl in ("eager", "jit", "jit for inference")]
WAYS += [("2tp", "bf16 autocast"), ("2p", "bf16 autocast")]
QUICK_WAYS = [("2t", "eager"), ("2p", "eager"), ("2p", "jit")]


class Engine:
    """The measuring program, how long it may take, and the peaks it has seen."""

    def __init__(self, build, quick):
        self.program = os.path.join(build, "bench", "bench")
        self.daemon = os.path.join(build, "boltzd")
        self.quick = quick
        self.cores = min(2, len(os.sched_getaffinity(0)))
        self.seconds = 0.1 if quick else 0.5      # of one measurement in process
        self.repeats = 1 if quick else 3          # ours and the peer take turns
        self.load_seconds = 1 if quick else 2     # of one measurement under wrk
        self.ways = QUICK_WAYS if quick else WAYS # in which the peer is tried
        self.peaks = {}                           # {threads: {precision: operations a second}}
        self.instructions, self.kernel = {}, "?"

    def run(self, measurement, **options):
        """One measurement; None where this build cannot, or crashes."""
        words = ["%s=%s" % option for option in options.items()]
        done = subprocess.run([self.program, measurement] + words, capture_output=True, text=True)
        try:
            return json.loads(done.stdout) if done.returncode == 0 else None
        except ValueError:  # a figure that is no number
            return None

    def look_at_peaks(self):
        """Measured at the start, in the middle and at the end: neighbours come and go; the best counts."""
        for threads in sorted({1, self.cores}):
            seen = self.run("peak", threads=threads, seconds=self.seconds / 2)
            best = self.peaks.setdefault(threads, {})
            self.kernel = seen.pop("kernel")
            for precision, peak in seen.items():
                self.instructions[precision] = peak["instruction"]
                best[precision] = max(best.get(precision, 0), peak["per_second"])
            # One instruction has one peak.
            for one in seen:
                for other in seen:
                    if self.instructions[one] == self.instructions[other]:
                        best[one] = max(best[one], best[other])

    def limit(self, precision, threads):
        return self.peaks[threads].get(precision)

    def rates(self, measurement, precisions, **options):
        """{precision: result} of one turn."""
        return {precision: self.run(measurement, precision=precision, seconds=self.seconds, **options)
                for precision in precisions}


def middle(values):
    values = [value for value in values if value]
    return statistics.median(values) if values else None
