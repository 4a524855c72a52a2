"""The rules that keep the house calm, checked on the imports as they are written and as they happen."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import clip_pipeline

PACKAGE = Path(clip_pipeline.__file__).parent
GROUND = {
    "display": set(),
    "errors": set(),
    "records": set(),
    "version": set(),
    "machine": {"display", "errors"},
    "settings": {"errors", "machine", "version"},
    "storage": {"errors", "machine", "version"},
}
"""What every room may stand on, and on what each of these does itself; settings and storage know nothing of each other."""

ALONE = {"pooling": {"errors"}, "text": {"errors", "machine", "settings"}}
"""Rooms that stand on less than others may: plain arithmetic, and tokenizers of captions that they are handed."""

STAGES_IN_ORDER = (
    *(
        "pooling",
        "pixels",
        "sources",
        "text",
        "words",
        "images",
        "models",
        "training",
        "embedding",
        "evaluation",
        "adaptation",
        "searching",
        "language",
    ),
)
SIBLINGS = {
    "training": {"images"},
    "embedding": {"images", "training"},
    "searching": {"images", "training", "adaptation"},
    "language": {"images", "embedding", "adaptation", "searching"},
}
"""Stages that are built on the same ground, none on the other: what they share lies in pixels, sources and models."""

NETWORK_MODULES = {"socket", "requests", "urllib3", "http", "httpx", "aiohttp", "ftplib", "urllib.request"}
HEAVY_MODULES = (
    *("torch", "torchvision", "open_clip", "timm", "matplotlib", "transformers", "ray", "sklearn"),
    *("onnx", "onnxruntime", "openvino"),
)


def room(path: Path) -> str:
    """The folder, or for a file at the top its name: what the rules speak of."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def allowed(importer: str, imported: str) -> bool:
    if importer in GROUND:
        return imported == importer or imported in GROUND[importer]
    if importer in ALONE:
        return imported == importer or imported in ALONE[importer]
    if importer == imported or imported in GROUND:
        return True
    if importer == "api":
        return imported in (*STAGES_IN_ORDER, "sandbox", "pipeline")
    if importer in STAGES_IN_ORDER:
        before = STAGES_IN_ORDER[: STAGES_IN_ORDER.index(importer)]
        return imported in before and imported not in SIBLINGS.get(importer, ())
    if importer == "sandbox":
        return False
    if importer == "pipeline":
        return imported in (*STAGES_IN_ORDER, "sandbox")
    if importer == "defs":
        return imported in ("pipeline", "models")
    if importer == "definitions":
        return imported == "defs"
    if importer in ("cli", "__main__"):
        return True
    return importer == "__init__" and imported in ("models", "embedding", "api")


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    for name in imported_modules(path):
        parts = name.split(".")
        if parts[0] == "clip_pipeline" and len(parts) > 1:
            assert allowed(room(path), parts[1]), f"{path.relative_to(PACKAGE)} must not import {name}"


def module_name(path: Path) -> str:
    parts = ("clip_pipeline", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def test_no_files_import_each_other_in_a_circle():
    """Imports inside functions and for types count too: two files that know each other are one."""
    modules = {module_name(path): path for path in FILES}
    graph = {name: imported_modules(path) & modules.keys() - {name} for name, path in modules.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_sources_and_the_sandbox_open_sockets(path):
    if room(path) in ("sources", "sandbox"):
        return
    network = {
        name for name in imported_modules(path) if name in NETWORK_MODULES or name.split(".")[0] in NETWORK_MODULES
    }
    assert not network, f"{path.relative_to(PACKAGE)} imports {network}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_defs_imports_dagster(path):
    if room(path) != "defs":
        assert not {name for name in imported_modules(path) if name.split(".")[0] == "dagster"}


def loaded_after(statement: str, modules: tuple[str, ...] = HEAVY_MODULES) -> set[str]:
    """Those of the modules that are loaded after a statement in a fresh process."""
    code = f"import sys\n{statement}\nprint(*[m for m in {modules!r} if m in sys.modules])"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("statement", ["import clip_pipeline", "import clip_pipeline.cli"])
def test_nothing_heavy_is_loaded_on_import(statement):
    assert loaded_after(statement) == set()


def test_the_code_location_loads_what_its_declarations_need_and_no_more():
    """Every run loads it anew: 0.7 s of processor time besides Dagster's own 0.7 (2026-12-01)."""
    light = ("pandas", "numba", "scipy", "PIL", "requests", "tokenizers")
    assert loaded_after("import clip_pipeline.definitions", (*HEAVY_MODULES, *light)) == set()


def test_no_stage_module_loads_anything_heavy():
    modules = [
        ".".join(("clip_pipeline", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in FILES
        if path.name not in ("__init__.py", "__main__.py")
    ]
    assert loaded_after("\n".join(f"import {module}" for module in modules)) == set()


def test_the_public_names_are_functions_of_the_api_and_each_of_its_files_has_one():
    homes = {getattr(clip_pipeline, name).__module__ for name in clip_pipeline.__all__ if name != "__version__"}
    files = {f"clip_pipeline.api.{path.stem}" for path in (PACKAGE / "api").glob("*.py") if path.stem != "__init__"}
    assert homes == {"clip_pipeline.storage.tables", *files}


def test_no_folder_has_more_than_twenty_files_and_no_file_more_than_three_hundred_lines():
    folders = Counter(path.parent for path in FILES)
    assert {str(folder): count for folder, count in folders.items() if count > 20} == {}
    lines = {str(path): path.read_text().count("\n") for path in FILES}
    assert {name: count for name, count in lines.items() if count > 300} == {}
