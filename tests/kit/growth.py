"""How time grows: the processor time of something, which other work on the machine changes least."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(run: Callable[[], object]) -> float:
    """The processor time of something, the best of three."""
    took = []
    for _ in range(3):
        started = time.process_time()
        run()
        took.append(time.process_time() - started)
    return min(took)
