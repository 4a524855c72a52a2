"""Which paths lie below the folders that the page may read."""

from __future__ import annotations

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.settings.roots import check_below


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "root" / "photos").mkdir(parents=True)
    (tmp_path / "rooted").mkdir()
    (tmp_path / "root" / "out").symlink_to(tmp_path)
    (tmp_path / "root" / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path / "root")
    return tmp_path / "root"


@pytest.mark.parametrize("path", ["photos", "./photos/", "new", "photos/{000..010}.tar", "photos/*.tar::new/1.tar", "photos/a..b", "ViT-B-32/photos/x.pt", "local-dir:photos", "ROOT/photos"])  # fmt: skip
def test_what_lies_below_is_taken_whether_it_is_there_or_not(root, path):
    check_below(path.replace("ROOT", str(root)), [root], "The dataset")


@pytest.mark.parametrize("path", ["..", "/", "/etc", "ROOT", "ROOTed", "photos/../..", "photos/..", "out", "out/rooted", "~", "~root/x", "~nobody-of-that-name/x", "loop", "loop/x", "a\0b", "photos::/etc", "{photos,../../etc}/1.tar", "ViT-B-32//etc/x.pt", "ViT-B-32/~/x.pt", "ViT-B-32/out/x.pt", "local-dir:/etc", "x" * 5000 + "/../../.."])  # fmt: skip
def test_what_leads_out_is_refused_by_any_road(root, path):
    path = path.replace("ROOT", str(root)) if path != "ROOT" else str(root.parent)
    with pytest.raises(SettingsError, match="^The dataset is "):
        check_below(path, [root], "The dataset")


def test_a_program_of_ones_own_may_read_anything(root):
    check_below("/etc", None, "The dataset")
