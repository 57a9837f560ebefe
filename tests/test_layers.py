"""Rooms: which package may import from which, and which libraries; who prints, who opens files."""

from __future__ import annotations

import ast
import inspect
import pydoc
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import get_args

import pytest

import exportstream
from exportstream.writing.formats import FORMATS, FormatName

PACKAGE = Path(exportstream.__file__).parent
ROOT = "exportstream"

# Room → the rooms and the libraries that it may import from. Nothing points up, and equals don't know each other.
BELOW_WRITING = {"totals", "storage", "models", "errors"}
MAY_IMPORT: dict[str, set[str]] = {
    "cli": {ROOT, "conversion", "reading", "writing", *BELOW_WRITING, "click", "distributed", "jinja2", "msgspec", "rich"},
    "conversion": {"reading", "writing", *BELOW_WRITING, "msgspec"},
    "reading": {*BELOW_WRITING, "genai_prices", "ijson", "msgspec"},
    "writing": {*BELOW_WRITING, "msgspec", "pyarrow"},
    "totals": {"models", "errors", "msgspec"},
    "storage": {"errors", "aiohttp", "fsspec", "isal", "zstandard"},
    "models": {"msgspec"},
    "errors": set(),
}
STREAMS = {"storage.names": {"stdout"}, "storage.source": {"stdin"}, "storage.files": {"stdout"}}
CORE = (
    *("reading.json", "reading.formats", "totals", "models", "errors", "writing.tables", "writing.columns"),
    *("writing.formats.csv", "writing.formats.json", "writing.formats.ndjson"),
)


def short_name(path: Path) -> str:
    """The name of a module within the package; a package of modules goes by its own name."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


TREES = {short_name(path): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def type_checking_only(tree: ast.Module) -> set[ast.AST]:
    guarded = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {inner for node in guarded for statement in node.body for inner in ast.walk(statement)}


def imported(tree: ast.AST) -> set[str]:
    """Names of imported modules: those of the package by their short name, others by their first part."""
    full: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            full |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            submodules = {alias.name for alias in node.names} & TREES.keys() if module == ROOT else set()
            full |= {f"{ROOT}.{name}" for name in submodules} or {module}
    return {name.removeprefix(f"{ROOT}.") if name.startswith(f"{ROOT}.") else name.split(".")[0] for name in full}


def room(module: str) -> str:
    """The room of a module: the first part of its name."""
    return module.partition(".")[0]


ROOMS = {module: room(module) for module in TREES if module not in ("__init__", "__main__")}
COMMAND = sorted(module for module in TREES if room(module) in ("cli", "__main__"))


def test_every_module_is_in_a_room() -> None:
    """Nothing lies beside the rooms but the package's own two files."""
    assert set(ROOMS.values()) == set(MAY_IMPORT)


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(name: str) -> None:
    """Besides itself and the standard library, a room imports only what stands in its row of the table."""
    found = {
        room(other): f"{module} imports {other}"
        for module in TREES
        if room(module) == name
        for other in imported(TREES[module])
        if other in TREES or other == ROOT or other.partition(".")[0] not in sys.stdlib_module_names
    }
    too_much = found.keys() - MAY_IMPORT[name] - {name}
    assert not too_much, [found[other] for other in sorted(too_much)]


@pytest.mark.parametrize(("name", "below"), [("json", ()), ("lines", ("json",))])
def test_the_machines_of_reading_know_no_format(name: str, below: tuple[str, ...]) -> None:
    """What reads JSON, and what reads lines of it, are below the formats, and below what opens inputs."""
    of_reading = {
        other for module, tree in TREES.items() if module.startswith(f"reading.{name}") for other in imported(tree)
    }
    allowed = ("reading.limits", *(f"reading.{one}." for one in (name, *below)))
    assert not {other for other in of_reading if room(other) == "reading" and not other.startswith(allowed)}


def test_the_package_itself_knows_no_command() -> None:
    """Importing exportstream imports neither the command nor what only it needs."""
    assert not {room(other) for other in imported(TREES["__init__"])} & {"cli", "click", "rich"}


def test_there_are_no_import_cycles() -> None:
    """The modules can be put in an order in which each imports only those before it."""
    graph = {name: imported(tree) & TREES.keys() for name, tree in TREES.items()}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("errors") < order.index("storage.source") < order.index("conversion.one") < order.index("__init__")


@pytest.mark.parametrize("module", sorted(TREES.keys() - set(COMMAND)))
def test_only_the_command_prints_and_reads_arguments(module: str) -> None:
    """print, input, sys.argv, click and rich are used by the command alone, and the library writes to no stream by itself."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "input")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
            allowed = STREAMS.get(module, set())
            assert node.attr not in {"argv", "stdout", "stderr", "stdin", "exit"} - allowed
    assert not imported(TREES[module]) & {"click", "rich", "argparse", "logging"}


WAYS_TO_PRINT = {"echo", "secho", "print", "print_exception", "print_exc", "show", "write", "writelines", "print_json"}


@pytest.mark.parametrize("module", sorted(set(COMMAND) - {"cli.terminal"}))
def test_the_command_prints_in_one_place(module: str) -> None:
    """Only `cli.terminal` prints, so that no line gets past the escapes; click shows its own usage errors and help."""
    found = [
        ast.unparse(node)
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in WAYS_TO_PRINT
    ]
    known = {
        "cli.help": ["formatter.write(f'  # {meaning}\\n  {example}\\n')"],  # into click's help
        "cli.process": ["error.show()"],
    }
    assert found == known.get(module, [])


def test_only_the_parser_knows_ijson() -> None:
    """Ijson is imported by reading/json/parser.py and nowhere else."""
    assert [name for name, tree in TREES.items() if "ijson" in imported(tree)] == ["reading.json.parser"]


def test_every_output_format_is_a_record_and_a_module() -> None:
    """Each has a module of its name that opens writers, and its suffixes are those that the public functions take."""
    outside = [[""] if record.compression is not None else ["", ".zst", ".gz"] for record in FORMATS.values()]
    assert get_args(FormatName) == tuple(
        f"{suffix[1:]}{more}"
        for record, ends in zip(FORMATS.values(), outside, strict=True)
        for suffix in record.suffixes
        for more in ends
    )
    for name, record in FORMATS.items():
        assert record.name == name
        entry = "open_writer" if record.all_tables else "new_encoder"
        assert {entry, "recount"} <= {getattr(node, "name", "") for node in TREES[f"writing.formats.{name}"].body}
    suffixes = [suffix for record in FORMATS.values() for suffix in record.suffixes]
    assert len(suffixes) == len(set(suffixes))


@pytest.mark.parametrize("module", sorted(TREES))
def test_nothing_branches_on_the_name_of_an_output_format(module: str) -> None:
    """No comparison and no case has a format's name in it: differences between formats stand in their records."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, (ast.Compare, ast.match_case)):
            inner = node.pattern if isinstance(node, ast.match_case) else node
            named = {one.value for one in ast.walk(inner) if isinstance(one, ast.Constant)} & FORMATS.keys()
            assert not named, ast.unparse(node)


@pytest.mark.parametrize("module", sorted(module for module in TREES if module.startswith(CORE)))
def test_the_core_opens_nothing(module: str) -> None:
    """The stages take bytes or objects: only `storage` opens, stats or renames files."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "open"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            assert node.attr == "environ"


@pytest.mark.parametrize("module", COMMAND)
def test_rich_is_never_imported_with_the_module(module: str) -> None:
    """Rich takes long to import, so it is imported inside the functions that need it."""
    functions = {inner for node in ast.walk(TREES[module]) if isinstance(node, ast.FunctionDef) for inner in ast.walk(node)}
    for node in ast.walk(TREES[module]):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and node not in functions:
            assert not any(name == "rich" for name in imported(ast.Module([node], [])))


@pytest.mark.parametrize("module", sorted(TREES.keys() - {"__main__"}))
def test_stages_say_what_they_are(module: str) -> None:
    """Each module has a docstring of its own."""
    text = ast.get_docstring(TREES[module])
    assert text
    assert text.splitlines()[0].endswith((".", ":"))


PUBLIC = [name for name in dir(exportstream) if not name.startswith("__") and name != "errors"]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_have_docstrings(name: str) -> None:
    """Every public name, and every public method and property of a public class of ours, has a docstring."""
    thing = getattr(exportstream, name)
    assert inspect.getdoc(thing)
    assert thing.__doc__
    if inspect.isclass(thing):
        for attribute, value in vars(thing).items():
            if not attribute.startswith("_") and (inspect.isfunction(value) or isinstance(value, (property, classmethod))):
                assert inspect.getdoc(value), f"{name}.{attribute}"


def test_public_names_are_all_of_them() -> None:
    """Completion offers what the package imports by name for type checkers, and each name is found in the module that it is imported from."""
    homes = {
        alias.name: node.module
        for node in ast.walk(TREES["__init__"])
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(f"{ROOT}.")
        for alias in node.names
        if alias.name != "__version__"
    }
    assert sorted(homes) == PUBLIC
    for name, module in homes.items():
        assert getattr(exportstream, name) is getattr(sys.modules[str(module)], name)
    functions = [name for name in PUBLIC if inspect.isfunction(getattr(exportstream, name))]
    assert functions == list(exportstream.__all__)
    with pytest.raises(AttributeError, match="'exportstream' has no attribute 'convert_all'"):
        exportstream.convert_all  # noqa: B018


def test_help_is_short_and_names_everything() -> None:
    """`help(exportstream)` has the functions in full, and the types by their names."""
    text = pydoc.render_doc(exportstream, renderer=pydoc.plaintext)
    assert len(text.splitlines()) < 500  # Python 3.13 writes each parameter on a line of its own
    for name in PUBLIC:
        if not name.endswith("Error"):
            assert (f"\n    {name}(" if name in exportstream.__all__ else f"`{name}`") in text, name


# What is slow to import, and the commands that need none of it.
NEEDLESS = {
    "--version": {"msgspec", "ijson", "zstandard", "hashlib", "json", "exportstream.reading", "exportstream.conversion"},
    "convert FILE -o - -q": {
        "rich",
        "tomllib",
        "zoneinfo",
        "shutil",
        "exportstream.totals.groups",
        "exportstream.cli.totals",
    },
    "totals FILE -q": {
        "rich",
        "tomllib",
        "zoneinfo",
        "html",
        "csv",
        "exportstream.cli.page",
        "exportstream.conversion.merge",
    },
    "check FILE": {"rich", "tomllib", "zoneinfo", "exportstream.totals.groups", "exportstream.cli.convert"},
}
READERS = {f"exportstream.reading.formats.{name}" for name in ("codex.reader", "claude_code.reader", "chats.reader")}


@pytest.mark.parametrize("command", NEEDLESS)
def test_a_command_imports_only_what_it_needs(command: str, tmp_path: Path) -> None:
    """No command imports the others, or what is only for other inputs and options: that takes longer than a small file."""
    file = tmp_path / "session.json"
    file.write_text('{"id":"s","title":"t","messages":[]}')
    arguments = [str(file) if word == "FILE" else word for word in command.split()]
    code = (
        "import atexit, sys\nfrom exportstream.cli.commands import main\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\nmain(sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    imported_modules = set(done.stderr.split())
    assert "exportstream.cli.process" in imported_modules
    assert not imported_modules & (NEEDLESS[command] | READERS)
