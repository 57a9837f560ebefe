"""Layers: imports go down only, and the table of who may import whom is held here."""

from __future__ import annotations

import ast
import inspect
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import exportstream

PACKAGE = Path(exportstream.__file__).parent
ROOT = "exportstream"
EVERYTHING = "everything below"

# Module → what it may import: modules of the package by their short names (ROOT is the package itself), and libraries.
# The first eleven rows are the design's table; the others came with it, each in the layer of what it is part of.
MAY_IMPORT: dict[str, set[str]] = {
    "cli": {ROOT, "archive", "display", "errors", "exits", "options", "report", "terminal", "click", "rich"},
    "archive": {
        ROOT,
        "display",
        "errors",
        "exits",
        "inputs",
        "masking",
        "outputs",
        "plan",
        "report",
        "terminal",
        "workers",
        "distributed",
    },
    "options": {"tables", "click"},
    "exits": {"errors", "temporary", "terminal", "click"},
    "display": {
        "masking",
        "check",
        "encode",
        "errors",
        "export",
        "jobs",
        "messages",
        "report",
        "terminal",
        "totals",
        "rich",
    },
    "terminal": {"masking", "errors", "click"},
    "__main__": {"cli"},
    "__init__": {EVERYTHING},
    "convert": {EVERYTHING},
    "source": {"backends", "decompress", "errors", "remote", "zstandard"},
    "sink": {"errors", "files", "zstandard"},
    "parse": {"errors", "guard", "ijson"},
    "blocks": {"guard", "models", "errors", "msgspec"},
    "build": {"errors", "models"},
    "messages": {"build", "models", "errors", "guard", "msgspec"},
    "totals": {"models", "errors", "msgspec"},
    "dedupe": {"models"},
    "tables": {"models", "totals", "msgspec"},
    "encode": {"encode.csv", "encode.json", "encode.ndjson", "encode.parquet", "errors", "tables"},
    "encode.json": {"msgspec"},
    "encode.ndjson": {"encode.json", "tables"},
    "encode.csv": {"encode.json", "tables", "msgspec"},
    "encode.sqlite": {"encode.json", "tables"},
    "encode.columns": {"encode.json", "errors", "models", "tables", "msgspec", "pyarrow"},
    "encode.parquet": {"encode.columns", "encode.json", "errors", "models", "tables", "msgspec", "pyarrow"},
    "database": {"encode.sqlite", "errors", "files", "tables"},
    "models": {"msgspec"},
    "errors": {"masking"},
    "masking": set(),
    "guard": {"errors"},
    "feed": {"blocks", "errors", "guard", "parse"},
    "export": {"blocks", "dedupe", "errors", "feed", "messages", "models", "parse", "source", "totals"},
    "read": {"export", "feed", "messages", "models"},
    "outputs": {"masking", "errors", "tables", "msgspec"},
    "rejects": {"masking", "encode.json", "errors", "messages", "sink", "msgspec"},
    "write": {"database", "encode", "models", "outputs", "sink", "tables", "totals", "msgspec"},
    "report": {"masking", "encode", "errors", "export", "messages", "sink", "totals", "write", "msgspec"},
    "check": {"errors", "export", "messages", "models", "totals", "msgspec"},
    # Many inputs: above one conversion.
    "inputs": {"backends", "errors", "outputs", "remote", "msgspec"},
    "workers": {"jobs", "temporary"},
    "jobs": {"masking", "convert", "errors", "export", "inputs", "outputs", "report", "msgspec"},
    "plan": {"masking", "convert", "errors", "files", "inputs", "jobs", "outputs", "remote"},
    "many": {EVERYTHING},
    # Parts of a layer that outgrew one file.
    "decompress": {"errors", "zstandard"},
    "files": {"backends", "errors", "temporary", "uploads"},
    "temporary": set(),
    "remote": {"masking", "backends", "errors"},
    "uploads": {"masking", "backends", "errors"},
    "backends": {"masking", "aiohttp", "errors", "fsspec"},
}
STREAMS = {"source": {"stdin"}, "sink": {"stdout"}, "files": {"stdout"}}
COMMAND = {"cli", "archive", "display", "exits", "options", "terminal", "__main__"}
CORE = {"build", "parse", "guard", "feed", "blocks", "messages", "totals", "tables", "models", "errors", "masking"} | {
    "encode",
    "encode.csv",
    "encode.json",
    "encode.ndjson",
}


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


def outside_the_standard_library(names: set[str]) -> set[str]:
    return {name for name in names if name in TREES or name == ROOT or name not in sys.stdlib_module_names}


@pytest.mark.parametrize("module", TREES)
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    """Each module imports, besides the standard library, only what stands in its row of the table."""
    allowed = MAY_IMPORT[module]
    typing_only = {"typing_extensions"}
    found = outside_the_standard_library(imported(TREES[module])) - typing_only
    if EVERYTHING in allowed:
        assert not found & (COMMAND | {"click", "rich", "ijson", "__init__", ROOT})
        assert found <= TREES.keys()
    else:
        assert found <= allowed


def test_what_is_imported_for_types_alone_is_guarded() -> None:
    """typing_extensions is no dependency, so it is only imported where no program runs."""
    for tree in TREES.values():
        guarded = type_checking_only(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "typing_extensions":
                assert node in guarded


def test_there_are_no_import_cycles() -> None:
    """The modules can be put in an order in which each imports only those before it."""
    graph = {name: imported(tree) & TREES.keys() for name, tree in TREES.items()}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("errors") < order.index("source") < order.index("convert") < order.index("__init__")


@pytest.mark.parametrize("module", sorted(TREES.keys() - COMMAND))
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


@pytest.mark.parametrize("module", sorted(COMMAND - {"terminal"}))
def test_the_command_prints_in_one_place(module: str) -> None:
    """Only `terminal` prints, so that no line gets past the escapes; click shows its own usage errors and help."""
    found = [
        ast.unparse(node)
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in WAYS_TO_PRINT
    ]
    of_rich = ["Console(file=text, highlight=False, width=width).print(table)"]  # into a string
    assert found == {"display": of_rich, "exits": ["error.show()"]}.get(module, [])


def test_only_parse_knows_ijson() -> None:
    """Ijson is imported by parse.py and nowhere else."""
    assert [name for name, tree in TREES.items() if "ijson" in imported(tree)] == ["parse"]


@pytest.mark.parametrize("module", sorted(CORE & TREES.keys()))
def test_the_core_opens_nothing(module: str) -> None:
    """The stages take bytes or objects: only source and sink open, stat or rename files."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "open"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            assert node.attr == "environ"


@pytest.mark.parametrize("module", sorted(COMMAND & TREES.keys()))
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


@pytest.mark.parametrize("name", exportstream.__all__)
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
    """__all__ is sorted, and is what the package offers besides its modules."""
    offered = {
        name
        for name, value in vars(exportstream).items()
        if not name.startswith("_") and not (inspect.ismodule(value) and name in TREES)
    }
    assert list(exportstream.__all__) == sorted(exportstream.__all__)
    assert set(exportstream.__all__) == offered
