"""What holds for all tests: the same code gives the same result; `pytest --hypothesis-profile=search` looks for more."""

import signal

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("search")
settings.load_profile("repeatable")

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under nohup, and then by every command that a test starts
