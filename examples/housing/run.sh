#!/usr/bin/env bash
# What `make example` runs: score a small file with the saved housing model and show what came of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:-out}
summary=$(mktemp)
trap 'rm -f "$summary"' EXIT
./submit.sh score --model examples/housing/model --schema schemas/housing.json --policy examples/housing/policy.json \
  --input examples/housing/input.csv --output "$out" --max-rejects 10 --force >"$summary"
run=$(sed -E 's/.*"path": "([^"]+)".*/\1/' "$summary")
printf '\nThe first actions, %s/actions.csv:\n' "$run"
head -n 8 "$run/actions.csv"
printf '\nThe rejected rows, with reasons:\n'
cat "$run/rejects.csv"
