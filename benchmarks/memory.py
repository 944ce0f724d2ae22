"""Peak memory of a whole run over few and many rows: every process of it, sampled. `make bench-memory` writes MEMORY.md."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import data
from benchmarks.run import ROOT, environment, provenance, score_command

PAGE = ROOT / "benchmarks" / "MEMORY.md"
EVERY_SECONDS = 0.1
MB = 1 << 20


@dataclass
class Peak:
    """The most memory that a run held at one moment, in bytes: all of it, the JVM's part, and what lived in its heap."""

    rows: int
    whole: int = 0
    jvm: int = 0
    live: int = 0
    seconds: float = 0.0

    def sample(self, processes: "dict[int, tuple[str, int]]") -> None:
        """Take in one look at the run's processes: name and resident bytes by id."""
        self.whole = max(self.whole, sum(size for _, size in processes.values()))
        self.jvm = max(self.jvm, sum(size for name, size in processes.values() if name == "java"))


def tree(root: int) -> "dict[int, tuple[str, int]]":
    """Name and resident bytes of process `root` and of all below it; of pages that processes share each has its part."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for entry in (name for name in os.listdir("/proc") if name.isdigit()):
        try:
            stat = Path(f"/proc/{entry}/stat").read_text()
        except OSError:  # it has ended since
            continue
        name, _, rest = stat.partition("(")[2].rpartition(")")
        parents[int(entry)] = int(rest.split()[1])
        names[int(entry)] = name
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    sizes = {pid: proportional(pid) for pid in family if pid in names}
    # a child lives in its parent's memory until it starts its program: each of the two would show all of it
    apart = {space: pid for pid, (space, _) in sorted(sizes.items(), reverse=True)}
    return {pid: (names[pid], sizes[pid][1]) for pid in apart.values()}


def proportional(pid: int) -> "tuple[str, int]":
    """The address space of process `pid`, and its proportional set size in bytes; 0 when it has ended since."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        if found := re.search(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE):
            return text.split()[0], int(found[1]) * 1024
    return "", 0


def measured(rows: int, heap: str, inputs: Path, work: Path) -> Peak:
    """One whole run over `rows` rows with a heap of `heap`."""
    source = data.generate(inputs, rows)
    log = work / f"gc-{rows}-{heap}.log"
    spark = f"--master local[*] --driver-memory {heap} --driver-java-options -Xlog:gc:file={log}"
    command = score_command(source, work / f"out-{rows}-{heap}", "--spark", spark)
    peak, started = Peak(rows), time.monotonic()
    with (work / "errors").open("w+") as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said, env=environment())
        while process.poll() is None:
            peak.sample(tree(process.pid))
            time.sleep(EVERY_SECONDS)
        if process.returncode:
            said.seek(0)
            sys.exit(f"the run over {rows} rows failed with {process.returncode}:\n{said.read()[-2000:]}")
    peak.seconds = time.monotonic() - started
    # "Pause Young (Allocation Failure) 153M->74M(512M) 12.3ms": what is left lives, or is not yet known to be dead
    peak.live = max((int(size) * MB for size in re.findall(r"\d+M->(\d+)M\(", log.read_text())), default=0)
    return peak


def table(heap: str, peaks: "list[Peak]") -> "list[str]":
    """Lines of a Markdown table, and the ratio of the last to the first."""
    lines = [
        f"\n## Heap of at most {heap} (`--driver-memory {heap}`)\n",
        "| rows | all processes, MB | the JVM alone, MB | in its heap after a collection, MB | s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for peak in peaks:
        sizes = " | ".join(f"{size / MB:,.0f}" for size in (peak.whole, peak.jvm, peak.live))
        lines.append(f"| {peak.rows:,} | {sizes} | {peak.seconds:.0f} |")
    return [*lines, f"\nThe last is {peaks[-1].whole / peaks[0].whole:.2f} times the first."]


def main() -> None:
    """Measure, print, and with --write put the tables into MEMORY.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 20_000_000])
    parser.add_argument("--heap", nargs="+", default=["1g", "2g"], help="as --driver-memory takes it")
    parser.add_argument("--write", action="store_true", help="write benchmarks/MEMORY.md")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where inputs are generated, or found from before")
    options = parser.parse_args()
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="nightly-memory-") as folder:
        for heap in options.heap:
            peaks = [measured(rows, heap, options.keep or Path(folder), Path(folder)) for rows in options.rows]
            lines += table(heap, peaks)
    what = f"peaks of what is resident, shared pages divided (PSS), looked at every {EVERY_SECONDS} s"
    head = f"# Memory\n\n{provenance('memory')}: {what}."
    print("\n".join([head, *lines]))
    if options.write:
        PAGE.write_text("\n".join([head, *lines]) + "\n")


if __name__ == "__main__":
    main()
