"""kill -9 at every step of publishing to S3: yesterday's run stays, and the next run publishes and clears what was left."""

import json

import pytest

from tests.trust import power
from tests.trust.s3_night import TODAY, YESTERDAY, Night

STEPS = ["score", "assemble-actions", "assemble-rejects", "manifest", "latest"]
WHOLE_PROCESSES = ["score", "manifest"]


@pytest.mark.parametrize("step", STEPS)
def test_a_power_cut_after_any_step_on_s3_leaves_whole_runs_only(
    step: str, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    if step in WHOLE_PROCESSES:
        power.kills(step, night.run.arguments(night.run.defaults), night.server.env)
    else:
        power.plays_dead(step, night.run)
        lock = {**json.loads(night.get("_lock.json")), "alive": 0}
        night.client.put_object(Bucket=night.bucket, Key=f"{night.output}/_lock.json", Body=json.dumps(lock).encode())
    monkeypatch.setattr("jobs.handoff.lock.WATCH_SECONDS", 0.1)
    assert "_lock.json" in night.objects()
    assert [key for key in night.objects() if key.startswith("_staging/")]
    published = step in ("manifest", "latest")
    assert (f"{TODAY}/datapackage.json" in night.objects()) == published
    night.holds(TODAY if step == "latest" else YESTERDAY)
    ended = night.run()
    night.has_published(ended)
    assert ended.summary["status"] == ("nothing-to-do" if published else "published")
