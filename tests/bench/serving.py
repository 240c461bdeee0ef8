"""serving.py - a daemon of one's own and the served peer, under wrk."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from peers import HERE, installed


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A process that answers on a port of its own, started and stopped here."""

    def __init__(self, command, port):
        self.url = "http://127.0.0.1:%d" % port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)

    def call(self, path, body=b"", headers=(), timeout=60):
        if not isinstance(body, (bytes, type(None))):
            body = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, body, dict(headers))
        return urllib.request.urlopen(request, timeout=timeout).read()

    def wait(self, path, body, limit=60):
        """Until it answers."""
        end = time.perf_counter() + limit
        while True:
            try:
                return self.call(path, body)
            except (OSError, urllib.error.URLError):
                if time.perf_counter() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.0005)

    def family(self):
        """Process ids: itself and its children."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
                    todo += [int(child) for child in file.read().split()]
            except OSError:
                pass
        return found

    def memory(self, what="VmRSS"):
        """MiB; VmRSS now, VmHWM at most since memory_mark()."""
        total = 0
        for pid in self.family():
            try:
                with open("/proc/%d/status" % pid) as file:
                    total += int(re.search(what + r":\s+(\d+)", file.read()).group(1))
            except (OSError, AttributeError):
                pass
        return total / 1024

    def memory_mark(self):
        for pid in self.family():
            with open("/proc/%d/clear_refs" % pid, "w") as file:
                file.write("5")

    def drain(self, limit=20):
        """Wait until what an aborted load left in the queues is worked off."""
        def ticks():
            total = 0
            for pid in self.family():
                try:
                    with open("/proc/%d/stat" % pid) as file:
                        fields = file.read().rsplit(")", 1)[1].split()
                    total += int(fields[11]) + int(fields[12])
                except OSError:
                    pass
            return total
        end = time.time() + limit
        while time.time() < end:
            before = ticks()
            time.sleep(0.1)
            if ticks() - before <= 1:
                return

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        except ProcessLookupError:
            self.process.wait()


class Boltzd(Server):
    """The daemon on a data directory."""

    def __init__(self, binary, data, *options):
        port = free_port()
        super().__init__([binary, "--data", data, "--listen", "127.0.0.1:%d" % port, *options], port)

    def register(self, model, energy):
        self.call("/v1/models", {"name": model, "energy": energy})

    def upload(self, model, path):
        """The number of the version that the checkpoint becomes; it serves."""
        with open(path, "rb") as file:
            record = self.call("/v1/models/%s/versions?serve=true" % model, file.read(),
                               {"Content-Type": "application/octet-stream"})
        return json.loads(record)["version"]


class FastAPI(Server):
    def __init__(self, workers):
        port = free_port()
        super().__init__([sys.executable, os.path.join(HERE, "peer_fastapi.py"), str(port),
                          str(workers)], port)
        self.wait("/sample?n=1", b"")


def fastapi_installed():
    return installed("torch", "fastapi", "uvicorn", "numpy")


def wrk_installed():
    return shutil.which("wrk") is not None


def milliseconds(text):
    number, unit = re.match(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


def load(url, connections, seconds, body="", headers=()):
    """Requests a second, latencies in ms and errors under `connections` that never pause."""
    lines = ["wrk.method = 'POST'", "wrk.body = [[%s]]" % body]
    lines += ["wrk.headers['%s'] = '%s'" % header for header in headers]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines))
        script.flush()
        # One thread of wrk would share a core with one server thread alone, and make its clients late.
        threads = min(connections, os.cpu_count() or 1, 2)
        text = subprocess.run(["wrk", "-t%d" % threads, "-c%d" % connections, "-d%ds" % max(1, round(seconds)),
                               "--timeout", "60s", "--latency", "-s", script.name, url],
                              capture_output=True, text=True).stdout

    def find(pattern):
        match = re.search(pattern, text)
        return match.group(1) if match else None
    return {"rate": float(find(r"Requests/sec:\s+([\d.]+)") or 0),
            "p50_ms": milliseconds(find(r"\n\s+50%\s+(\S+)") or "0ms"),
            "p99_ms": milliseconds(find(r"\n\s+99%\s+(\S+)") or "0ms"),
            "errors": find(r"(Non-2xx.*)") or find(r"Socket errors: (.*)")}
