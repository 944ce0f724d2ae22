#!/usr/bin/env bash
# Fetches the S3A file system and the S3 committers for one Spark version, through Spark's own resolver.
set -euo pipefail
spark_version=$1 target=$2 spark_submit=$3
case $spark_version in
  3.5) packages=org.apache.hadoop:hadoop-aws:3.3.4,org.apache.spark:spark-hadoop-cloud_2.12:3.5.8 ;;
  4.0) packages=org.apache.hadoop:hadoop-aws:3.4.1,org.apache.spark:spark-hadoop-cloud_2.13:4.0.2 ;;
  *) echo "no S3 jars are pinned for Spark $spark_version" >&2; exit 2 ;;
esac
# clouds that are not used, and what Spark has on board already
excludes=com.google.cloud.bigdataoss:gcs-connector,org.apache.hadoop:hadoop-azure,org.apache.hadoop:hadoop-azure-datalake
excludes+=,org.apache.hadoop:hadoop-openstack,org.apache.hadoop:hadoop-cloud-storage,org.apache.hadoop:hadoop-aliyun
excludes+=,org.apache.hadoop:hadoop-client-api,org.apache.hadoop:hadoop-client-runtime,org.apache.hadoop:hadoop-cos
excludes+=,com.google.guava:guava,org.eclipse.jetty:jetty-util,org.eclipse.jetty:jetty-util-ajax,com.google.cloud:google-cloud-storage
mkdir -p "$target"
work=$(mktemp -d "$target/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
echo 'print("resolved")' >"$work/nothing.py"
"$spark_submit" --master 'local[1]' --packages "$packages" --exclude-packages "$excludes" \
  --conf "spark.jars.ivy=$work/ivy" --conf spark.ui.enabled=false "$work/nothing.py" >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; exit 1; }
mv "$work"/ivy/jars/*.jar "$target/"
touch "$target/.complete"
