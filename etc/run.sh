#!/bin/sh
# run.sh - start boltzd in the foreground with its data under ./var, and say how to talk to it.
set -eu

listen="${BOLTZD_LISTEN:-127.0.0.1:8000}"
binary="${BOLTZD:-build/boltzd}"

(
  tries=0
  until "$binary" --healthcheck --listen "$listen" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || exit 0
    sleep 0.1
  done
  cat <<TEXT

boltzd answers at http://$listen  (Ctrl-C stops it; its data are in ./var)
Paste one of these into another terminal:

  curl -s http://$listen/v1/models/example-double-well/sample -d '{"n": 5, "seed": 1}'
  curl -s http://$listen/v1/models/example-double-well/estimate -d '{"n": 100000, "seed": 1, "averages": ["x1"]}'
  curl -s http://$listen/v1/jobs -d '{"kind": "train", "model": "example-double-well", "seed": 2}'

TEXT
) &

exec "$binary" --data ./var --listen "$listen"
