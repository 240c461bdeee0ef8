"""peer_fastapi.py PORT WORKERS - the served peer: FastAPI and uvicorn around PyTorch.

  POST /sample?n=1000&hidden=256&format=json|npy   on the event loop, json.dumps of lists: its best
  POST /plain?n=1000&hidden=256                    a dict that FastAPI encodes: what most people write
"""
import io
import json
import os
import socket
import sys

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Response

from peer_torch import Flow, Weigher

flows = {}


def draw(n, hidden):
    if hidden not in flows:
        flows[hidden] = Weigher(Flow(2, hidden)).eval().requires_grad_(False)
    with torch.no_grad():
        return flows[hidden](torch.randn(n, 2))


def as_lists(x, log_q, u, log_weight):
    return {"x": x.tolist(), "energy": u.tolist(), "log_q": log_q.tolist(),
            "log_weight": log_weight.tolist()}


def make_app():
    app = FastAPI()

    @app.post("/sample")
    async def sample(n: int = 1000, hidden: int = 256, format: str = "json"):
        x, log_q, u, log_weight = draw(n, hidden)
        if format == "npy":
            file = io.BytesIO()
            np.save(file, torch.cat((x, u[:, None], log_q[:, None], log_weight[:, None]), 1).numpy())
            return Response(file.getvalue(), media_type="application/x-npy")
        return Response(json.dumps(as_lists(x, log_q, u, log_weight)), media_type="application/json")

    @app.post("/plain")
    def plain(n: int = 1000, hidden: int = 256):
        return as_lists(*draw(n, hidden))

    return app


def main():
    port, workers = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    # A process a worker, each with a socket of its own. uvicorn's --workers hands down a socket made
    # without IPPROTO_TCP, on which asyncio sets no TCP_NODELAY: every answer would wait 40 ms.
    for _ in range(workers - 1):
        if os.fork() == 0:
            break
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    uvicorn.Server(uvicorn.Config(make_app(), log_level="warning", backlog=2048)).run(
        sockets=[listener])


if __name__ == "__main__":
    main()
