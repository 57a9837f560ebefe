"""What holds for all tests: the same code gives the same result; `pytest --hypothesis-profile=search` looks for more."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("repeatable")

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under nohup, and then by every command that a test starts

# Folders and modules that start processes, draw many inputs, or need a server. The others take less than a minute.
SLOW = (
    *("cli", "conversion", "properties", "reading/test_cases_input.py", "reading/test_guard.py", "reading/test_parse.py"),
    *("storage/test_remote.py", "storage/test_remote_s3.py", "storage/test_source.py", "storage/test_temporary.py"),
    *("test_benchmarks.py", "test_docs.py", "test_golden.py", "test_readme.py", "test_types.py", "totals/test_totals.py"),
    *("writing/test_cases_output.py", "writing/test_database.py", "writing/test_parquet.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow; long tests are slow too."""
    here = Path(__file__).parent
    folders = tuple(here / name for name in SLOW)
    for item in items:
        if item.get_closest_marker("long") or any(item.path.is_relative_to(folder) for folder in folders):
            item.add_marker("slow")


@pytest.fixture(params=["1", "0"], ids=["blocks", "no-blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run every test with the blocks in front of ijson, and without them."""
    monkeypatch.setenv("EXPORTSTREAM_BLOCKS", request.param)
    return request.param == "1"
