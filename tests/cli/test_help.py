"""The help: options in groups, defaults, exit codes and examples."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from exportstream.cli.commands import cli
from exportstream.cli.help import EXIT_CODES, GROUPS, group_of
from exportstream.cli.process import Exit
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.storage.source import DEFAULT_MAX_WINDOW
from tests.kit.command import run

VERBS = ["convert", "totals", "check", "verify"]
SECTION = re.compile(r"^(\w[\w ]*):\n((?:(?:  .*)?\n)*)", re.MULTILINE)
GROUPS_OF = {
    "Output": "output format level force report",
    "Rows": "table columns without keys flat running-totals csv-safe dedupe prices",
    "Several inputs": "merge update exclude fail-fast jobs dask",
    "Bad input": "on-error rejects",
    "Limits": "max-message-size max-window",
    "General": "quiet debug help",
}


def sections(verb: str, folder: Path) -> dict[str, str]:
    """The sections of a verb's help by their titles."""
    return dict(SECTION.findall(run(*filter(None, [verb]), "--help", cwd=folder).stdout.decode()))


def command_of(verb: str) -> click.Command:
    """The command of a verb."""
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    return command


def options(verb: str) -> list[click.Option]:
    """The options of a verb."""
    command = command_of(verb)
    return [param for param in command.get_params(click.Context(command)) if isinstance(param, click.Option)]


def test_commands_in_order(tmp_path: Path) -> None:
    """The help lists the commands in the order convert, totals, check, verify, with whole sentences."""
    lines = sections("", tmp_path)["Commands"].splitlines()
    assert [line.split()[0] for line in lines] == VERBS
    assert all(line.endswith(".") and "..." not in line for line in lines)


def test_groups_in_order(tmp_path: Path) -> None:
    """The options of convert stand in their groups, in order, and each option stands there once."""
    found = sections("convert", tmp_path)
    assert list(found) == [*(group for group in GROUPS if group in GROUPS_OF), "Exit codes", "Examples"]
    listed = {group: " ".join(re.findall(r"^  (?:-\w, )?--([\w-]+)", found[group], re.MULTILINE)) for group in GROUPS_OF}
    assert listed == GROUPS_OF


@pytest.mark.parametrize("verb", VERBS)
def test_options(verb: str, tmp_path: Path) -> None:
    """Every option has a group and a help text that is a sentence, and is listed in its group."""
    found = sections(verb, tmp_path)
    assert list(found) == [*(group for group in GROUPS if group in found), "Exit codes", "Examples"]
    for option in options(verb):
        assert option.help
        assert option.help.endswith(".")
        assert max(option.opts, key=len) in found[group_of(option) or ""]


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_width(verb: str, tmp_path: Path) -> None:
    """The help fits a terminal of 80 columns."""
    shown = run(*filter(None, [verb]), "--help", cwd=tmp_path, COLUMNS="80").stdout.decode()
    assert [line for line in shown.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("verb", VERBS)
def test_defaults(verb: str, tmp_path: Path) -> None:
    """The help shows the default of every option that is no switch, but for names and addresses."""
    for option in options(verb):
        if not option.is_flag and not {"rejects", "report", "dask", "output", "exclude"} & {option.name}:
            assert option.show_default, option.name
    if verb == "verify":  # it has no limits
        return
    text = " ".join(sections(verb, tmp_path)["Limits"].split())
    assert (DEFAULT_MAX_MESSAGE_SIZE, DEFAULT_MAX_WINDOW) == (1 << 30, 128 << 20)
    assert re.findall(r"default: (\w+)", text) == ["1GiB", "128MiB"]


@pytest.mark.parametrize("verb", VERBS)
def test_exit_codes(verb: str, tmp_path: Path) -> None:
    """The help lists all exit codes with their meaning; check and verify never take a part of their input."""
    listed = dict(re.findall(r"^  (\d+)  (.*)$", sections(verb, tmp_path)["Exit codes"], re.MULTILINE))
    wanted = {str(code.value): EXIT_CODES[code] for code in Exit}
    if verb in ("check", "verify"):
        del wanted["5"]
    assert listed == wanted


@pytest.mark.parametrize("verb", VERBS)
def test_examples(verb: str, tmp_path: Path) -> None:
    """Each help ends with two to five examples, which the command's parser takes."""
    lines = sections(verb, tmp_path)["Examples"].splitlines()
    assert 2 <= len(lines) / 2 <= 5
    assert all(meaning.startswith("  # ") for meaning in lines[::2])
    for line in lines[1::2]:
        words = shlex.split(line.replace("|", " | "))
        start = words.index("exportstream")
        end = words.index("|", start) if "|" in words[start:] else len(words)
        assert words[start + 1] == verb
        command_of(verb).make_context(verb, words[start + 2 : end])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["convert", "a.json", "--since=2026-01-01"], "convert has no option '--since': totals has it."),
        (["totals", "a.json", "-t", "all"], "totals has no option '-t': convert has it."),
        (["verify", "a.csv", "--json"], "verify has no option '--json': totals and check have it."),
        (["totals", "a.json", "--prises", "x"], "No such option '--prises'. Did you mean '--prices'?"),
        (["covert", "a.json"], "No such command 'covert'. Did you mean convert?"),
        (["nothing"], "No such command 'nothing'."),
        (["a.json"], "expected a command, got an input: exportstream convert a.json"),
        (["https://u:p@h/a.json"], "expected a command, got an input: exportstream convert https://***@h/a.json"),
    ],
)
def test_an_option_of_another_command_and_an_input_without_one(tmp_path: Path, arguments: list[str], words: str) -> None:
    """An option that this command lacks names the commands that have it, and an input alone the command to give."""
    (tmp_path / "a.json").touch()
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().splitlines()[-1].removeprefix("Error: ") == words
