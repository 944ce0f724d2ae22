"""kill -9 at every step of publishing to S3: yesterday's run stays, and the next run publishes and clears what was left."""

import json
import signal
from pathlib import Path

import pytest

from jobs.handoff.lock import OutputLock
from jobs.handoff.run import Run
from tests.support.runs import environment, finished, start
from tests.trust.s3_night import TODAY, YESTERDAY, Night

STEPS = ["score", "assemble-actions", "assemble-rejects", "manifest", "latest"]
WHOLE_PROCESSES = ["score", "manifest"]  # of the rest this process plays dead, which is ten times as quick


class PowerCut(BaseException):
    """Stands for the end of the process."""


def dies_after(step: str, night: Night, patched: pytest.MonkeyPatch) -> None:
    """Run up to `step`, and then nothing more: no clean-up, and the lock of a process that is gone."""

    def cut(*_: object) -> None:
        raise PowerCut

    patched.setenv("NIGHTLY_ACTIONS_KILL_AFTER", step)
    patched.setattr("jobs.handoff.publish.os.kill", cut)
    patched.setattr("jobs.scoring.session.ended_by_signals", lambda _: pytest.MonkeyPatch.context())
    patched.setattr(Run, "clean", lambda _: None)
    patched.setattr(OutputLock, "__exit__", lambda self, *_: self._done.set())
    with pytest.raises(PowerCut):
        night.run()
    lock = {**json.loads(night.get("_lock.json")), "alive": 0}
    night.client.put_object(Bucket=night.bucket, Key=f"{night.output}/_lock.json", Body=json.dumps(lock).encode())


@pytest.mark.parametrize("step", STEPS)
def test_a_power_cut_after_any_step_on_s3_leaves_whole_runs_only(
    step: str, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    if step in WHOLE_PROCESSES:
        line = night.run.arguments(night.run.defaults)
        env = environment(**night.server.env, NIGHTLY_ACTIONS_KILL_AFTER=step)
        killed = finished(start("score", *line, env=env), Path())
        assert killed.code == -signal.SIGKILL, killed.stderr
    else:
        with monkeypatch.context() as patched:
            dies_after(step, night, patched)
    monkeypatch.setattr("jobs.handoff.lock.WATCH_SECONDS", 0.1)
    assert "_lock.json" in night.objects()
    assert [key for key in night.objects() if key.startswith("_staging/")]
    published = step in ("manifest", "latest")
    assert (f"{TODAY}/datapackage.json" in night.objects()) == published
    night.holds(TODAY if step == "latest" else YESTERDAY)
    ended = night.run()
    night.has_published(ended)
    assert ended.summary["status"] == ("nothing-to-do" if published else "published")
