#!/bin/sh
# make.sh - train the example models by the job requests beside this script, and keep their
# checkpoints here; the next build embeds them. Run from the root of the source tree, after `make`.
set -eu

binary="${BOLTZD:-build/boltzd}"
here=etc/examples
data=$(mktemp -d)
"$binary" --data "$data/var" --listen 127.0.0.1:0 2>"$data/log" &
daemon=$!
trap 'kill $daemon 2>/dev/null; wait $daemon 2>/dev/null; rm -rf "$data"' EXIT
until grep -q '"event":"ready"' "$data/log"; do sleep 0.1; done
url="http://$(sed -n 's/.*"listen":"\([^"]*\)".*/\1/p' "$data/log" | head -n 1)"

for model in example-double-well example-harmonic-pair; do
  curl -fsS -X DELETE "$url/v1/models/$model" >/dev/null 2>&1 || true
  curl -fsS "$url/v1/models" -d @"$here/$model.model.json" >/dev/null
  job=$(curl -fsS "$url/v1/jobs" -d @"$here/$model.job.json" | sed 's/.*"id":"\([^"]*\)".*/\1/')
  echo "$model: $job"
  until curl -fsS "$url/v1/jobs/$job" | grep -q '"status":"succeeded"'; do
    if curl -fsS "$url/v1/jobs/$job" | grep -q '"status":"failed"'; then
      curl -fsS "$url/v1/jobs/$job" >&2
      exit 1
    fi
    sleep 1
  done
  curl -fsS "$url/v1/models/$model/versions/1/checkpoint" -o "$here/$model.safetensors"
  curl -fsS "$url/v1/models/$model/versions/1" | sed 's/.*"metrics":\({[^}]*}\).*/  \1/'
done
