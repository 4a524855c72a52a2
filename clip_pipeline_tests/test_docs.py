"""The documentation does not drift from the code, and what it points to is there."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.settings import renamed

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
