"""Secrets in URLs: never in errors, summaries, warnings, reports or rejects. Nothing listens where these URLs lead."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exportstream import ExportstreamError, UsageError
from exportstream.cli.process import run as run_and_explain
from exportstream.conversion.inputs import Input
from exportstream.conversion.jobs import ConvertJob
from exportstream.conversion.outcome import Outcome
from exportstream.conversion.plan import is_current, refuse_shared
from exportstream.conversion.report import ManyReport, Report
from exportstream.errors import mask, shown
from exportstream.storage.names import RealPaths
from exportstream.storage.transaction import Transaction
from exportstream.writing.outputs import Output
from exportstream.writing.rejects import Reject, RejectsFile
from exportstream.writing.writers import Written
from tests.kit.command import run, run_on_terminal
from tests.kit.documents import dump, message, session

HERE = "127.0.0.1:1"
SHOWN = {
    f"http://user:p4ss@{HERE}/a.json": f"http://***@{HERE}/a.json",
    f"http://user:p4/ss@{HERE}/a.json": f"http://***@{HERE}/a.json",
    f"http://user:p4@ss@{HERE}/a.json": f"http://***@{HERE}/a.json",
    f"http://user:p4@s/s@{HERE}/a.json": f"http://***@{HERE}/a.json",
    f"http://user:p4?s=s#s@{HERE}/a.json": f"http://***@{HERE}/a.json",
    f"http://user:p4 ss@{HERE}/a.json": f"http://***@{HERE}/a.json",
    f"http://user:p4::ss@{HERE}/a.json": f"http://***@{HERE}/a.json",
    f"http://user:12/34@{HERE}/a.json": f"http://***@{HERE}/a.json",
    f"http://p4ssTOKEN@{HERE}/a.json": f"http://***@{HERE}/a.json",
    f"http://p4ss/TOKEN@{HERE}/a.json": f"http://***@{HERE}/a.json",
    f"http://{HERE}/a.json?token=p4ss": f"http://{HERE}/a.json?token=***",
    f"http://{HERE}/a.json?p4ssTOKEN": f"http://{HERE}/a.json?***",
    f"http://{HERE}/a.json?a=&X-Amz-Signature=p4ss;sig=p4=ss&b=p4?sS": (
        f"http://{HERE}/a.json?a=&X-Amz-Signature=***;sig=***&b=***?***"
    ),
    f"http://{HERE}/a.json?raw&{'p4' * 16}": f"http://{HERE}/a.json?raw&***",
    f"http://{HERE}/a.json#access_token=p4ss": f"http://{HERE}/a.json#access_token=***",
    f"http://{HERE}/a.json?x=p4#p4ss": f"http://{HERE}/a.json?x=***#***",
    "s3://KEY:s3c/r3t@bucket/x.json": "s3://***@bucket/x.json",
    "S3://KEY:/secret@bucket/x.json": "S3://***@bucket/x.json",
    "s3://bucket/x.json?versionId=p4ss": "s3://bucket/x.json?versionId=***",
    f"zip://a.json::http://user:p4/ss@{HERE}/a.zip?sig=p4ss": f"zip://a.json::http://***@{HERE}/a.zip?sig=***",
    "simplecache::s3://KEY:s3c/r3t@bucket/x.json": "simplecache::s3://***@bucket/x.json",
}
AS_THEY_ARE = [
    "a.json",
    "/tmp/a@b:c?d=e#f.json",
    "user@host:a.json",
    "s3://bucket/a@b.json",
    "s3://bucket/a?.json",
    "s3://bucket/a#1.json",
    "https://unpkg.com/package@1.2/a.json",
    "http://localhost:9000/bucket/a@b.json",
    "http://[::1]:8080/a.json",
    "file:///tmp/a@b.json",
    "http://localhost/a.json?raw",
    "memory://a/b.json",
    "",
    "://",
]
SECRETS = ("p4", "ss@", "TOKEN", "KEY", "s3c", "r3t", "12/34")


def require_clean(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text], text


@pytest.mark.parametrize("url", SHOWN)
def test_a_url_is_shown_without_secrets(url: str) -> None:
    """User info, query values and fragments become ***; keys, host and path stay; and once is enough."""
    assert shown(url) == shown(shown(url)) == SHOWN[url]
    text = f"exportstream: can't read '{url}' (see {url}): no"
    if " " not in url:  # nobody can tell where such a URL ends in a text
        assert shown(text) == shown(shown(text)) == f"exportstream: can't read '{SHOWN[url]}' (see {SHOWN[url]}): no"
    error = UsageError(f"no {shown(url)}", source=url, hint=f"see {shown(url)}")
    require_clean(str(error))


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_names_without_secrets_stay(name: str) -> None:
    """Paths, and URLs without user info or query, are shown as they are."""
    assert shown(name) == name


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("aB9:/@?#&=;%[]. +"), max_size=20), st.sampled_from(["http", "https", "s3", "gs", "x"]))
def test_no_password_gets_through(password: str, scheme: str) -> None:
    """Whatever a password holds, the URL is masked up to its host, and nothing fails."""
    assert shown(f"{scheme}://user:S3CRET{password}S3CRET@host.com/a") == f"{scheme}://***@host.com/a"
    assert "S3CRET" not in shown(f"x {scheme}://user:S3CRET{password.replace(' ', '')}S3CRET@host.com/a y")
    assert "S3CRET" not in shown(f"http://host.com/a?b=S3CRET{password.replace('@', '').replace('::', '')}#S3CRET")


def test_long_texts_take_linear_time() -> None:
    """A text that looks like schemes, ends of URLs or chains all the way is masked at once."""
    for text in ("x", "a.", "http://", "::a", "::a://", ".", "@", "?a=b", "://", "a+-."):
        start = time.process_time()
        shown(text * 100_000)
        shown(f"http://h/{text * 100_000}!")
        mask(text * 20_000, f"http://u:p@h/{text * 100}")
        assert time.process_time() - start < 5  # usually less than one; a pattern that goes back takes hours
    assert mask("\udcff", "http://u:\udcff@h/?a=\ud800") == "***"


def test_words_of_a_library() -> None:
    """Parts of the URL's secrets in a library's text are masked, also unquoted ones, and the text becomes one line."""
    said = 'Parameter validation failed:\nInvalid bucket name "KEY:secret@bucket": Bucket name must match'
    wanted = 'Parameter validation failed: Invalid bucket name "***@bucket": Bucket name must match'
    assert mask(said, "s3://KEY:secret@bucket/x.json") == wanted
    require_clean(mask('Invalid bucket name "KEY:s3c"', "s3://KEY:s3c/r3t@bucket/x.json"))
    require_clean(mask("no p4ss word, p4%20ss, p4 ss", "http://user:p4%20ss@h/?a=p4ss"))
    assert mask("a user said it", "http://a:b@h/") == "*** user said it"


@pytest.mark.parametrize("url", SHOWN)
def test_errors_of_the_command(tmp_path: Path, url: str) -> None:
    """Whatever the library or the network says, the command's error is one line without secrets, also with --debug."""
    given = os.environ | {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }
    options = {name: given[name] for name in given if name.startswith("AWS_")} | {"AWS_ENDPOINT_URL": f"http://{HERE}"}
    done = run("convert", url, "-o", "out.ndjson", cwd=tmp_path, **options)
    text = done.stderr.decode()
    assert done.returncode in (2, 4), text
    assert text.count("\n") == 1
    require_clean(text.replace(str(tmp_path), ""))


def test_many_inputs_that_fail(tmp_path: Path) -> None:
    """Inputs that failed are masked in errors, on a terminal, and in the report, also as the source."""
    (tmp_path / "a.json").write_bytes(dump(session(message(0))))
    urls = [f"http://user:p4ss@{HERE}/b.json", f"http://{HERE}/c.json?token=p4ss"]
    arguments = ["convert", *urls, "a.json", "-o", "out/", "--report", "report.json", "--jobs", "1", "--force"]
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    require_clean(done.stderr.decode())
    report = (tmp_path / "report.json").read_text()
    require_clean(report)
    assert [one["source"] for one in json.loads(report)["inputs"]] == [*map(shown, urls), "a.json"]
    require_clean(run_on_terminal(*arguments, cwd=tmp_path)[2].decode())


def test_two_urls_for_one_output(tmp_path: Path) -> None:
    """The message that names both inputs masks both."""
    urls = [f"http://user:p4ss@{HERE}/a.json", f"http://user:p4/ss@{HERE}/b/a.json"]
    done = run("convert", *urls, "-o", "out/", cwd=tmp_path)
    assert done.returncode == 2
    assert b"it would be written twice, for http://***@" in done.stderr
    require_clean(done.stderr.decode())


@pytest.mark.parametrize(
    "arguments",
    [
        ["-o", "s3://KEY:s3c/r3t@bucket/x"],
        ["-o", "s3://KEY:s3c/r3t@bucket/x.csv", "--format", "ndjson"],
        ["-o", "http://user:p4/ss@127.0.0.1:1/x.ndjson"],
        ["a.json", "-o", "s3://KEY:s3c/r3t@bucket/x.csv"],
        ["-o", "out/", "--dask", "tcp://user:p4/ss@127.0.0.1:1"],
        ["-o", "a.json/", "--report", "s3://KEY:s3c/r3t@"],
        ["-o", "nosuch://KEY:s3c/r3t@bucket/x.ndjson"],
    ],
)
def test_outputs_that_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    """Names of outputs, reports and clusters are masked like those of inputs."""
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(dump(session(message(0))))
    done = run("convert", "b.json", *arguments, cwd=tmp_path, AWS_ENDPOINT_URL=f"http://{HERE}")
    assert done.returncode in (1, 2, 3, 4)
    require_clean(done.stderr.decode())


def test_reports_and_rejects(tmp_path: Path) -> None:
    """A report masks every name in it, and so does a line of rejects; the real names stay in the objects."""
    url = "s3://KEY:s3c/r3t@bucket/x.json"
    one = Report(
        source=url,
        rejects=url,
        cut={url: 1},
        outputs=[Written(url, ("messages",), "ndjson", "none", 1, {"messages": 1}, 1, 1)],
    )
    report = ManyReport(outcomes=[Outcome(url, "converted", one), Outcome(url, "skipped")])
    require_clean(json.dumps(report.to_dict()))
    assert report.outcomes[0].source == one.source == url
    with Transaction() as transaction:
        rejects = RejectsFile(tmp_path / "r.ndjson", transaction, force=False, is_asked_for=True)
        rejects(Reject(url, "s", 0, None, None, "odd", {}))
    require_clean((tmp_path / "r.ndjson").read_text())


def test_real_names_stay_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a name is an identity it is the real URL: two that are shown alike are not taken for one."""
    asked: list[str] = []
    monkeypatch.setattr(
        "exportstream.conversion.plan.modified", lambda name: float(len(asked)) if not asked.append(name) else None
    )
    urls = ["http://h.com/a?id=1", "http://h.com/a?id=2"]
    assert is_current(urls[0], [Output(urls[1], "ndjson", "none", ("messages",))])
    assert asked == urls
    jobs = [
        ConvertJob(Input(url, ""), outputs=[Output(f"out/{number}.ndjson", "ndjson", "none", ("messages",))])
        for number, url in enumerate(urls)
    ]
    refuse_shared(jobs, None, RealPaths())


@pytest.mark.parametrize("error", [RuntimeError, ExportstreamError])
def test_unexpected_errors(capfd: pytest.CaptureFixture[str], error: Any) -> None:
    """A URL in the text of any exception is masked on its way out, also in a traceback."""
    for url in SHOWN:
        if " " in url:
            continue

        def fail(url: str = url) -> None:
            raise error(f"no: {url}")

        run_and_explain(fail, debug=True)
        require_clean(capfd.readouterr().err.replace("test_secrets", "").replace("p4ss in", ""))
