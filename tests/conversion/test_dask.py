"""Dask: a real cluster of two worker processes does what one process does, also where a worker is killed."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exportstream import convert_many
from tests.kit.command import kill, run, said, wait_until
from tests.kit.documents import cut, invalid
from tests.kit.files import contents, debris, many, rows

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two worker processes of one thread each."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        host="127.0.0.1",
        local_directory=str(tmp_path_factory.mktemp("dask")),
    ) as started:
        yield started


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    """A client of the cluster, with both workers there."""
    with distributed.Client(cluster) as connected:
        connected.wait_for_workers(2, timeout=30)
        yield connected


def test_a_cluster_gives_the_same(tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs byte for byte, totals and outcomes are those of one process; workers get relative names as absolute ones."""
    monkeypatch.chdir(tmp_path)
    many(tmp_path / "in", 12, messages=50)
    (tmp_path / "in/bad.json").write_bytes(cut("bad", 50))
    (tmp_path / "in/invalid.json").write_bytes(invalid("i"))
    (tmp_path / "in/empty.json").write_bytes(b"")
    options: dict[str, Any] = {"table": "all", "on_error": "skip"}
    alone = convert_many([tmp_path / "in"], "alone", **options)
    done = convert_many(["in"], "rows", executor=client.get_executor(), **options)
    assert contents(tmp_path / "rows") == contents(tmp_path / "alone")
    assert done.totals == alone.totals
    assert [(str(tmp_path / outcome.source), outcome.status, outcome.error) for outcome in done.outcomes] == [
        (outcome.source, outcome.status, outcome.error) for outcome in alone.outcomes
    ]
    assert (done.rows, done.rejected, done.count("failed")) == (alone.rows, 1, 1)


def test_the_same_again_is_done_again(tmp_path: Path, client: Any) -> None:
    """Dask does not run again what it takes for the same call; here outputs that are gone are written again."""
    many(tmp_path / "in", 4)
    executor = client.get_executor()
    kept = []
    for _ in range(3):
        kept.append(convert_many([tmp_path / "in"], tmp_path / "rows", executor=executor))
        assert kept[-1].count("converted") == len(contents(tmp_path / "rows")) == 4
        for name in contents(tmp_path / "rows"):
            os.unlink(tmp_path / "rows" / name)


def test_a_worker_that_is_killed(tmp_path: Path, client: Any) -> None:
    """Where a worker process is killed in the middle, the cluster does its inputs again: nothing is lost or doubled."""
    many(tmp_path / "in", 40, messages=2500)
    alone = convert_many([tmp_path / "in"], tmp_path / "alone", table=["messages", "sessions"])
    victims = list(client.run(os.getpid).values())
    late: list[int] = []

    def kill_one() -> None:
        wait_until(lambda: len(contents(tmp_path / "rows")) >= 6)
        late.append(len(contents(tmp_path / "rows")))
        kill(victims[0])

    killer = threading.Thread(target=kill_one)
    killer.start()
    done = convert_many([tmp_path / "in"], tmp_path / "rows", table=["messages", "sessions"], executor=client.get_executor())
    killer.join()
    assert late[0] < 70, "killed too late"
    assert done.count("converted") == 40, [outcome.error for outcome in done.failed]
    assert contents(tmp_path / "rows") == contents(tmp_path / "alone")
    assert done.totals == alone.totals
    assert (done.rows, done.messages) == (alone.rows, alone.messages)
    client.wait_for_workers(2, timeout=30)
    assert victims[0] not in client.run(os.getpid).values()


def test_fail_fast_cancels_the_rest(tmp_path: Path, client: Any) -> None:
    """With fail_fast what waits is cancelled."""
    many(tmp_path / "in", 60, messages=300)
    (tmp_path / "in/a.json").write_bytes(b"no")
    done = convert_many([tmp_path / "in"], tmp_path / "rows", executor=client.get_executor(), fail_fast=True)
    assert done.outcomes[0].status == "failed"
    assert done.count("cancelled") >= 30
    assert done.count("failed") == 1


def test_progress(tmp_path: Path, client: Any) -> None:
    """Progress comes from a cluster as well, file by file."""
    many(tmp_path / "in", 5)
    seen: list[tuple[int, int]] = []
    convert_many(
        [tmp_path / "in"],
        tmp_path / "rows",
        executor=client.get_executor(),
        progress=lambda status: seen.append((status.files_done, status.bytes_done)),
    )
    assert seen == sorted(seen)
    assert seen[-1] == (5, sum(map(len, contents(tmp_path / "in").values())))


def test_the_command_on_a_cluster(tmp_path: Path, cluster: Any, client: Any) -> None:
    """--dask ADDRESS runs the command's conversions on the cluster, with the same exit codes and lines."""
    many(tmp_path / "in", 5)
    (tmp_path / "in/bad.json").write_bytes(cut("bad"))
    address = cluster.scheduler_address
    one = run("convert", "in", "-o", "one", "--jobs", "1", cwd=tmp_path)
    # distributed itself warns of what is deprecated in Python.
    done = run(
        "convert", "in", "-o", "rows", "--dask", address, "--report", "r.json", cwd=tmp_path, PYTHONWARNINGS="default"
    )
    assert done.returncode == one.returncode == 3, done.stderr
    assert contents(tmp_path / "rows") == contents(tmp_path / "one")
    assert [line.split(":")[0] for line in said(done)] == ["exportstream"] * 2, done.stderr
    assert said(done)[0].startswith("exportstream: 5 of 6 inputs converted, 1 failed: 15 rows (")
    assert json.loads((tmp_path / "r.json").read_bytes())["converted"] == 5
    again = run("convert", "in", "-o", "rows", "--dask", address, "--update", cwd=tmp_path, PYTHONWARNINGS="default")
    assert again.returncode == 3
    assert b"5 up to date" in again.stderr
    assert len(rows(tmp_path / "rows/s000.ndjson.zst")) == 3
    assert debris(tmp_path) == []
