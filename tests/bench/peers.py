"""peers.py - PyTorch in every mode a user could run it in; the best counts."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# 2t is what a user gets on two cores; 2tp keeps OpenMP's threads from spinning beside the BLAS'
# own; 2p is two processes of one thread, their rates added: what a tuned deployment does.
MODES = {
    "1t": ({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, 1),
    "2t": ({"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}, 1),
    "2tp": ({"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}, 1),
    "2p": ({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, 2),
}
DEFAULT = ("2t", "eager")


def installed(*modules):
    return subprocess.run([sys.executable, "-c", "import " + ",".join(modules)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class Torch:
    """Workers that have torch loaded; version is None where it is not installed."""

    def __init__(self):
        self.workers, self.version = {}, None
        if not installed("torch"):
            return
        for mode, (environment, count) in MODES.items():
            self.workers[mode] = [
                subprocess.Popen([sys.executable, os.path.join(HERE, "peer_torch.py")], text=True,
                                 env=dict(os.environ, **environment), stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                for _ in range(count)]
        for workers in self.workers.values():
            for worker in workers:
                self.version = json.loads(worker.stdout.readline())["torch"]

    def close(self):
        for workers in self.workers.values():
            for worker in workers:
                worker.stdin.close()
                worker.wait()

    def calls(self, mode, what, impl, hidden, n, seconds, **shape):
        """Calls a second, all processes of the mode together; None: it cannot. `shape`: of the flow,
        where it is not R with dim 2."""
        question = json.dumps(dict(what=what, impl=impl, hidden=hidden, n=n, seconds=seconds, **shape))
        for worker in self.workers[mode]:
            worker.stdin.write(question + "\n")
            worker.stdin.flush()
        answers = [json.loads(worker.stdout.readline()) for worker in self.workers[mode]]
        if any("error" in answer for answer in answers):
            return None
        return sum(answer["calls"] for answer in answers)

    def survey(self, what, hidden, n, seconds, ways, **shape):
        """{(mode, impl): calls a second} of all ways that work."""
        if not self.version:
            return {}
        rates = {way: self.calls(way[0], what, way[1], hidden, n, seconds, **shape) for way in ways}
        return {way: rate for way, rate in rates.items() if rate}
