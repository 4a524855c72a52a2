"""CONTRIBUTING's recipe for a new asset, followed to the letter in a copy of the package, ends in a test that passes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

ROOT = Path(__file__).parents[1]
CHANGED = ("records.py", "pipeline/declared/words.py", "pipeline/steps/words.py")


def code_blocks() -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipe = text[text.index("## A new asset") : text.index("## A new benchmark dataset")]
    return [dedent(block) for block in re.findall(r"^ *```python\n(.*?)^ *```$", recipe, re.MULTILINE | re.DOTALL)]


def linked(folder: Path, original: Path, changed: tuple[str, ...]) -> None:
    """`folder` is as `original`; but for what will be changed, by links."""
    folder.mkdir()
    for path in original.iterdir():
        below = tuple(name.partition("/")[2] for name in changed if name.startswith(f"{path.name}/"))
        if below:
            linked(folder / path.name, path, below)
        elif path.name in changed:
            (folder / path.name).write_bytes(path.read_bytes())
        else:
            (folder / path.name).symlink_to(path)


def test_the_recipe_for_a_new_asset_works_to_the_letter(tmp_path):
    declared, columns, build, builder, test = code_blocks()
    package = tmp_path / "clip_pipeline"
    linked(package, ROOT / "clip_pipeline", CHANGED)
    records, assets, steps = (package / name for name in CHANGED)
    records.write_text(records.read_text() + columns)
    assets.write_text(assets.read_text().rstrip().removesuffix(")") + indent(declared.rstrip(), "    ") + ",\n)\n")
    lines = steps.read_text().replace("\nimport json\n", f"\n{build[: build.index('def ')]}import json\n", 1)
    lines = lines.replace("BUILDERS = {", f"{build[build.index('def ') :]}\n\nBUILDERS = {{", 1)
    steps.write_text(lines.rstrip().removesuffix("}") + indent(builder, "    ") + "}\n")
    (tmp_path / "test_word_lengths.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "test_word_lengths.py"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
