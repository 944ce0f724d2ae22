"""What can go wrong in the small AWS, switched on by a test."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field


@dataclass
class Faults:
    """`calls` holds, by operation, what happens to its next requests; the rest are about every job started from now."""

    calls: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    no_capacity: bool = False
    never_finish: bool = False
    lose_cluster: bool = False
    interrupt: bool = False
    cancel_seconds: float = 0.2
    clock_behind: float = 0  # seconds

    def next(self, operation: str, *kinds: str) -> None:
        """Sets what becomes of the next requests: "500", "throttle", "refuse"; "drop" and "hang" are
        accepted, and then the connection is cut, or nothing is answered."""
        self.calls[operation].extend(kinds)

    def now(self) -> float:
        """The time by the service's clock."""
        return time.time() - self.clock_behind

    def take(self, operation: str) -> str | None:
        queue = self.calls[operation]
        return queue.popleft() if queue else None
