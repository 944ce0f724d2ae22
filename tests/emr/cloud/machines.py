"""What runs a job: a real YARN for EMR on EC2, and a driver's own container for Serverless and EKS.

Each gives what the service's machines give: Spark, its defaults, S3, a role's credentials. Nothing of this checkout is
on their Python path, so that what runs is what was uploaded.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.emr.cloud.s3 import S3

ROOT = Path(__file__).parents[3]
S3_JARS = ROOT / ".jars" / "spark-3.5"
YARN_JARS = ROOT / ".jars" / "yarn"
# the jobs are short: compiling them for speed costs more than it gives on two cores
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
# a cluster's own credentials: tests look for them where they must not be
SECRETS = {"AWS_ACCESS_KEY_ID": "AKIAROLEOFTHECLUSTER", "AWS_SECRET_ACCESS_KEY": "secret-of-the-cluster-role"}


def spark_home() -> Path:
    if os.environ.get("SPARK_HOME"):
        return Path(os.environ["SPARK_HOME"])
    import pyspark

    return Path(pyspark.__file__).parent


def java() -> str:
    home = os.environ.get("JAVA_HOME")
    return f"{home}/bin/java" if home else "java"


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def s3_settings(s3: S3) -> dict[str, str]:
    """Hadoop's settings for the S3 server, as EMR's own machines have them for S3."""
    return {
        "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
        "fs.s3a.endpoint": s3.url,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.access.key": SECRETS["AWS_ACCESS_KEY_ID"],
        "fs.s3a.secret.key": SECRETS["AWS_SECRET_ACCESS_KEY"],
    }


def role_environment(s3: S3) -> dict[str, str]:
    """No region: the containers of a real YARN have none."""
    return {**SECRETS, "AWS_ENDPOINT_URL": s3.url}


def machine_environment(s3: S3, conf: Path) -> dict[str, str]:
    """The environment of a service's machine: nothing of the launcher's, no PYTHONPATH."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "LANG") if name in os.environ}
    own = {"SPARK_HOME": str(spark_home()), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_CONF_DIR": str(conf)}
    return {**kept, **own, "PYSPARK_PYTHON": sys.executable, **role_environment(s3)}


def for_both() -> dict[str, str]:
    """Settings that driver and executors share."""
    shared = {"extraClassPath": f"{S3_JARS}/*", "extraJavaOptions": SHORT_LIVED}
    return {f"spark.{who}.{name}": value for who in ("driver", "executor") for name, value in shared.items()}


def write_defaults(conf: Path, settings: dict[str, str]) -> None:
    conf.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} {value}" for name, value in settings.items()]
    (conf / "spark-defaults.conf").write_text("\n".join(lines) + "\n")


@dataclass
class Started:
    """A process of a job, with the folder its output is in."""

    process: subprocess.Popen[bytes]
    folder: Path

    def output(self) -> dict[str, bytes]:
        return {name: (self.folder / name).read_bytes() for name in ("stdout", "stderr")}

    def poll(self) -> int | None:
        return self.process.poll()

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(timeout=30)


def start(command: list[str], *, folder: Path, environment: dict[str, str]) -> Started:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "stdout", "wb") as out, open(folder / "stderr", "wb") as err:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    return Started(process, folder)


class Containers:
    """Serverless and EKS: the driver in a folder of its own, its archives unpacked there, Spark running locally."""

    def __init__(self, s3: S3, folder: Path) -> None:
        self._s3, self._folder = s3, folder
        settings = {f"spark.hadoop.{name}": value for name, value in s3_settings(s3).items()}
        settings |= {"spark.master": "local[2]", "spark.driver.memory": "1g", "spark.ui.enabled": "false"}
        settings |= for_both()
        write_defaults(folder / "conf", settings)

    def run(self, job: str, driver: dict[str, Any], *, environment_prefix: str) -> Started:
        """Starts the driver; `environment_prefix` is what the service calls the driver's environment."""
        words = shlex.split(driver.get("sparkSubmitParameters", ""))
        settings = dict(word.split("=", 1) for flag, word in zip(words, words[1:], strict=False) if flag == "--conf")
        folder = self._folder / job
        folder.mkdir(parents=True)
        for archive in filter(None, settings.get("spark.archives", "").split(",")):
            self._unpack(archive, folder)
        environment = machine_environment(self._s3, self._folder / "conf")
        environment |= {
            name[len(environment_prefix) :]: value
            for name, value in settings.items()
            if name.startswith(environment_prefix)
        }
        command = [str(spark_home() / "bin" / "spark-submit"), *words, driver["entryPoint"]]
        return start([*command, *driver.get("entryPointArguments", ())], folder=folder, environment=environment)

    def _unpack(self, archive: str, folder: Path) -> None:
        uri, _, name = archive.partition("#")
        bucket, _, key = uri.partition("://")[2].partition("/")
        fetched = folder / key.rpartition("/")[2]
        fetched.write_bytes(self._s3.client().get_object(Bucket=bucket, Key=key)["Body"].read())
        (folder / name).mkdir()
        subprocess.run(["tar", "-xzf", str(fetched), "-C", str(folder / name)], check=True)


class Yarn:
    """A real YARN in one process, with S3 on its class path; a step's command runs against it in cluster mode."""

    def __init__(self, s3: S3, folder: Path) -> None:
        self._s3, self._folder = s3, folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Yarn:
        ensure_jars()
        self._folder.mkdir(parents=True, exist_ok=True)
        s3_jars = [str(jar) for jar in S3_JARS.glob("*.jar") if re.search("hadoop-aws|aws-java-sdk|wildfly", jar.name)]
        classes = ":".join([f"{YARN_JARS}/*", *s3_jars])
        ports = free_ports(7)
        manager, *services = ports
        names = ("scheduler", "resource-tracker", "admin", "webapp")
        settings = {
            f"yarn.resourcemanager.{n}.address": f"127.0.0.1:{p}" for n, p in zip(names, services, strict=False)
        }
        settings |= {
            "mapreduce.jobhistory.webapp.address": f"127.0.0.1:{services[4]}",
            "mapreduce.jobhistory.admin.address": f"127.0.0.1:{services[5]}",
            "yarn.minicluster.yarn.nodemanager.resource.memory-mb": "8000",
            "yarn.nodemanager.vmem-check-enabled": "false",
            "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "99",
            "yarn.log.dir": str(self._folder / "logs"),
            **s3_settings(self._s3),
        }
        command = [java(), "-Xmx512m", *SHORT_LIVED.split(), "--add-opens", "java.base/java.lang=ALL-UNNAMED"]
        command += ["-cp", classes]
        command += ["org.apache.hadoop.mapreduce.MiniHadoopClusterManager", "-nodfs", "-namenode", "file:///"]
        command += ["-rmport", str(manager), "-writeConfig", str(self._folder / "site.xml")]
        for name, value in settings.items():
            command += ["-D", f"{name}={value}"]
        with open(self._folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.PIPE, start_new_session=True
            )
        self._wait_until_up()
        self._configure_clients(classes)
        return self

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.process and self.process.stdin:
            self.process.stdin.close()

    def run(self, job: str, args: list[str]) -> Started:
        """What command-runner does: the words as a command, with the cluster's Spark and YARN on the path."""
        environment = machine_environment(self._s3, self._folder / "conf")
        environment["HADOOP_CONF_DIR"] = str(self._folder / "hadoop")
        environment["SPARK_SUBMIT_OPTS"] = SHORT_LIVED
        environment["SPARK_DIST_CLASSPATH"] = f"{S3_JARS}/*"  # spark-submit itself reads s3:// names
        environment["PATH"] = f"{self._folder / 'bin'}:{spark_home() / 'bin'}:{environment['PATH']}"
        return start(args, folder=self._folder / "steps" / job, environment=environment)

    def kill(self, applications: list[str]) -> None:
        """What the end of a cluster does to its applications."""
        for application in applications:
            self.run(f"kill-{application}", ["yarn", "application", "-kill", application]).process.wait(timeout=60)

    def containers(self, application: str) -> dict[str, Path]:
        """The log files of an application's containers, by `container/name`."""
        found = self._folder.glob(f"**/{application}/container_*/std*")
        return {f"{path.parent.name}/{path.name}": path for path in found if path.is_file()}

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + 90
        site = self._folder / "site.xml"  # written last
        while not (site.exists() and site.read_text().rstrip().endswith("</configuration>")):
            assert self.process
            assert self.process.poll() is None, (self._folder / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, "YARN did not come up in 90 s"
            time.sleep(0.3)

    def _configure_clients(self, classes: str) -> None:
        hadoop = self._folder / "hadoop"
        hadoop.mkdir()
        for name in ("yarn-site.xml", "core-site.xml"):
            shutil.copy(self._folder / "site.xml", hadoop / name)
        settings = {
            "spark.yarn.jars": f"local:{spark_home()}/jars/*",
            "spark.yarn.stagingDir": (self._folder / "staging").as_uri(),
            "spark.executor.instances": "1",
            "spark.scheduler.minRegisteredResourcesRatio": "0",
            "spark.executor.memory": "600m",
            "spark.driver.memory": "900m",
            "spark.ui.enabled": "false",
            "spark.executorEnv.PYSPARK_PYTHON": sys.executable,
            "spark.yarn.appMasterEnv.PYSPARK_PYTHON": sys.executable,
            "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": "127.0.0.1",
            "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
        }
        for name, value in role_environment(self._s3).items():
            settings |= {f"spark.yarn.appMasterEnv.{name}": value, f"spark.executorEnv.{name}": value}
        settings |= for_both()
        write_defaults(self._folder / "conf", settings)
        tools = self._folder / "bin"
        tools.mkdir()
        command = f'exec {java()} {SHORT_LIVED} -cp "{hadoop}:{classes}" org.apache.hadoop.yarn.client.cli.ApplicationCLI "$@"'
        (tools / "yarn").write_text(f"#!/bin/bash\n{command}\n")
        (tools / "yarn").chmod(0o755)


def ensure_jars() -> None:
    """YARN comes from Maven Central, once; the S3 jars come with `./submit.sh setup`."""
    if not (YARN_JARS / ".complete").exists():
        script = ROOT / "requirements" / "fetch-jars.sh"
        subprocess.run([script, "yarn", YARN_JARS, spark_home() / "bin" / "spark-submit"], check=True, timeout=540)
