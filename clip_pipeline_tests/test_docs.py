"""The documentation does not drift from the code, and what it points to is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest
from PIL import Image

from clip_pipeline import version as renamed
from clip_pipeline.cli import commands
from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.settings import SECTIONS
from clip_pipeline.settings.fields import fields_of

ROOT = Path(__file__).resolve().parents[1]


def test_the_generated_pages_say_what_the_code_says():
    result = subprocess.run([sys.executable, ROOT / "docs/generate.py", "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", [*sorted(path.name for path in ROOT.glob("*.md")), *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])  # fmt: skip
def test_every_link_of_a_page_leads_to_a_file(page):
    path = ROOT / page
    targets = re.findall(r"\]\(([^)#\s]+)", path.read_text())
    missing = [target for target in targets if "://" not in target and not (path.parent / target).exists()]
    assert not missing, missing


def test_the_picture_of_the_flow_shows_every_asset_and_what_it_is_made_from():
    picture = ET.parse(ROOT / "docs/images/flow.svg").getroot()
    words = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    tips = [element for element in picture.iter("{http://www.w3.org/2000/svg}path") if element.get("marker-end")]
    assert set(words) == {asset.name for asset in ASSETS} | {asset.stage for asset in ASSETS}
    assert len(words) == len(set(words))
    assert len(tips) >= sum(bool(asset.after) for asset in ASSETS)


def test_the_changelog_has_every_name_that_changed():
    changes = (ROOT / "CHANGELOG.md").read_text()
    names = [
        (old, new.now) for table in (renamed.SETTINGS, renamed.ASSETS, renamed.OPTIONS) for old, new in table.items()
    ]
    names += [((f"{setting}={old}",), f"{setting}={new.now}") for (setting, old), new in renamed.CHOICES.items()]
    missing = [
        f"{old} → {now}"
        for old, now in names
        if not any(
            now in line and all(part in line for part in ((old,) if isinstance(old, str) else old))
            for line in changes.splitlines()
        )
    ]
    assert not missing, missing


def test_every_environment_variable_that_is_read_stands_in_the_table_of_the_page():
    sources = [path.read_text() for path in (ROOT / "clip_pipeline").rglob("*.py")]
    read = {name for text in sources for name in re.findall(r"\"(CLIP_PIPELINE_[A-Z_]+)\"", text)} | {"DAGSTER_HOME"}
    assert {"CLIP_PIPELINE_RECIPE", "CLIP_PIPELINE_SETTINGS", "CLIP_PIPELINE_DATA"} <= read
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/dagster.md").read_text(), re.MULTILINE)) == read


def test_the_commands_of_dagsters_that_are_told_run_jobs_that_there_are():
    pytest.importorskip("dagster")
    from clip_pipeline.defs.jobs import JOBS

    told = re.findall(r"`(?:dg launch --job|dagster job execute [^`]*-j) (\w+)", (ROOT / "docs/dagster.md").read_text())
    assert "run_pipeline" in told and set(told) <= {job.name for job in JOBS}


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_dev_hands_on_recipe_folder_and_port():
    given = ["RECIPE=mine.toml", "DATA=mydata", "PORT=3001"]
    command = ["make", "-n", "-C", ROOT, "-o", ".venv/installed", "dev", *given]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (
        "clip-pipeline dev --recipe 'mine.toml' --data 'mydata' --home 'mydata/.dagster' --port 3001" in result.stdout
    )


WRITTEN_PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("training", "embedding", "scores", "photos", "words", "adaptation")),
]


def command_lines(page: Path) -> list[str]:
    """The lines of a page that call clip-pipeline, each with those that it is continued on."""
    text = page.read_text().replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip().startswith("clip-pipeline ")]


@pytest.mark.parametrize("page", WRITTEN_PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_exists_with_its_options(page):
    for line in command_lines(page):
        words, command = line.split("#")[0].split()[1:], commands
        while isinstance(command, click.Group) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        assert command is not commands, line
        assert {word.split("=")[0] for word in words if word.startswith("-")} <= known, line


@pytest.mark.parametrize("page", WRITTEN_PAGES, ids=lambda page: page.name)
def test_every_setting_of_a_page_exists(page):
    known = {field.full_name for section in SECTIONS for field in fields_of(section)}
    named = re.findall(r"--set '?([a-z_]+\.[a-z_0-9]+)=", page.read_text())
    named += re.findall(rf"`((?:{'|'.join(SECTIONS)})\.[a-z_0-9]+)[=`]", page.read_text())
    assert not set(named) - known - {"training.json"}


def test_the_picture_of_the_readme_is_drawn_from_any_run(tiny_data, tmp_path):
    drawn = tmp_path / "hero.png"
    result = subprocess.run([sys.executable, ROOT / "docs/hero.py", tiny_data, drawn], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    with Image.open(drawn) as picture:
        assert picture.width == 1600
        colours = picture.convert("RGB").getcolors(1 << 16)
    assert colours is not None and len(colours) > 100


def test_a_folder_without_a_run_is_a_sentence(tmp_path):
    result = subprocess.run([sys.executable, ROOT / "docs/hero.py", tmp_path], capture_output=True, text=True)
    assert result.returncode == 1
    assert "Run: make demo" in result.stderr and "Traceback" not in result.stderr
