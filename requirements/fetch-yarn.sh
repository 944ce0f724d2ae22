#!/usr/bin/env bash
# Fetches a YARN that runs in one process, for the launcher's tests: EMR on EC2 runs a step on YARN in cluster mode.
# Through Spark's own resolver, as fetch-jars.sh does; about 100 MB, once.
set -euo pipefail
spark_submit=$2
mkdir -p "$1"
target=$(cd "$1" && pwd)  # the resolver takes absolute paths only
packages=org.apache.hadoop:hadoop-minicluster:3.3.4,junit:junit:4.13.2,org.mockito:mockito-core:2.28.2
work=$(mktemp -d "$target/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
echo 'print("resolved")' >"$work/nothing.py"
"$spark_submit" --master 'local[1]' --packages "$packages" \
  --conf "spark.jars.ivy=$work/ivy" --conf spark.ui.enabled=false "$work/nothing.py" >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; exit 1; }
mv "$work"/ivy/jars/*.jar "$target/"
touch "$target/.complete"
