#!/bin/sh
# run.sh - run test programs, add up their last lines, and end with one line that counts them all.
# Usage: run.sh PROGRAM ...   Exit status 1 when a test failed or a program died.
set -u

passed=0 failed=0 skipped=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT
for program in "$@"; do
  start=$(date +%s.%N)
  "$program" >"$output" 2>&1
  status=$?
  end=$(date +%s.%N)
  last=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$output" | tail -n 1)
  name=$(basename "$program")
  if [ -z "$last" ]; then
    cat "$output"
    echo "FAIL $name died with status $status"
    failed=$((failed + 1))
    continue
  fi
  set -- $last
  passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + $5))
  if [ "$status" -ne 0 ]; then cat "$output"; fi
  if [ "$status" -ne 0 ] && [ "$3" -eq 0 ]; then
    echo "FAIL $name passed its tests and died with status $status"
    failed=$((failed + 1))
  fi
  grep -E '^skip ' "$output"
  printf '%-28s %-40s %6.1f s\n' "$name" "$last" "$(echo "$end $start" | awk '{print $1 - $2}')"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
