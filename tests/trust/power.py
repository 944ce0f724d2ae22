"""Power cuts: of a process of its own, by `kill -9`, or played by this one, which is ten times as quick."""

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from jobs.handoff.lock import OutputLock
from jobs.handoff.run import Run
from tests.support.runs import environment, finished, start

KILL_AFTER = "NIGHTLY_ACTIONS_KILL_AFTER"


class PowerCut(BaseException):
    """Stands for the end of the process."""


def kills(step: str, arguments: Sequence[str], env: Mapping[str, str]) -> None:
    """Run `score` with `arguments` in a process of its own, up to `step`."""
    killed = finished(start("score", *arguments, env=environment(**env, **{KILL_AFTER: step})), Path())
    assert killed.code == -signal.SIGKILL, killed.stderr


def plays_dead(step: str, run: Callable[[], object]) -> None:
    """Run here, up to `step`, and then nothing more: no clean-up, and a lock that nobody keeps fresh."""

    def cut(*_: object) -> None:
        raise PowerCut

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(KILL_AFTER, step)
        patched.setattr("jobs.handoff.publish.os.kill", cut)
        patched.setattr("jobs.scoring.session.looked_after", lambda *_: pytest.MonkeyPatch.context())
        patched.setattr(Run, "clean", lambda _: None)
        patched.setattr(OutputLock, "__exit__", lambda self, *_: self._done.set())
        with pytest.raises(PowerCut):
            run()
