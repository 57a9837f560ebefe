"""What holds for all tests: the same code gives the same result; `pytest --hypothesis-profile=search` looks for more."""

import signal

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("search")
settings.load_profile("repeatable")

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under nohup, and then by every command that a test starts


@pytest.fixture(params=["1", "0"], ids=["blocks", "no-blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run every test with the blocks in front of ijson, and without them."""
    monkeypatch.setenv("EXPORTSTREAM_BLOCKS", request.param)
    return request.param == "1"
