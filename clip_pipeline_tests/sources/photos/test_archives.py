from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from clip_pipeline.errors import SourceError
from clip_pipeline.sources.photos.archives import unpack
from clip_pipeline_tests.evaluation.datasets.forms import tar_bytes


def zip_bytes(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


PACKERS = {
    "a.tar": tar_bytes,
    "a.tar.gz": lambda members: tar_bytes(members, "w:gz"),
    "a.tar.xz": lambda members: tar_bytes(members, "w:xz"),
    "a.zip": zip_bytes,
}
HARMFUL = ("../out.txt", "/tmp/out-of-the-folder.txt", "a/../../out.txt", "..\\out.txt")


@pytest.mark.parametrize("name", PACKERS)
def test_members_are_written_and_none_leaves_the_folder(tmp_path, name, caplog):
    members = {"a/1.txt": b"one", "a/b/2.txt": b"two" * 1000, **dict.fromkeys(HARMFUL, b"harm")}
    (tmp_path / name).write_bytes(PACKERS[name](members))
    (tmp_path / "in").mkdir()
    written = unpack(tmp_path / name, tmp_path / "in")
    assert {path.relative_to(tmp_path / "in").as_posix() for path in written} == {"a/1.txt", "a/b/2.txt"}
    assert (tmp_path / "in/a/b/2.txt").read_bytes() == b"two" * 1000
    assert {path.name for path in tmp_path.iterdir()} == {name, "in"}
    assert f'{len(HARMFUL)} of "member that is a link or leads out of the folder", such as "../out.txt"' in caplog.text


def test_only_members_of_the_patterns_are_written(tmp_path):
    (tmp_path / "a.zip").write_bytes(zip_bytes({"val/1.jpg": b"1", "train/1.jpg": b"1", "list.txt": b"x"}))
    written = unpack(tmp_path / "a.zip", tmp_path / "in", ("val/*", "*.txt"))
    assert sorted(path.name for path in written) == ["1.jpg", "list.txt"]


def test_links_are_left_out(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
        for name in ("link/passwd", "ok.txt"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    (tmp_path / "in").mkdir()
    unpack(tmp_path / "a.tar", tmp_path / "in")
    assert not (tmp_path / "in" / "link").is_symlink() and (tmp_path / "in/ok.txt").exists()


def test_nothing_is_written_through_a_link_that_lies_there(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "a").symlink_to(tmp_path / "out")
    (tmp_path / "a.tar").write_bytes(tar_bytes({"a/1.txt": b"one"}))
    assert unpack(tmp_path / "a.tar", tmp_path / "in") == []
    assert not list((tmp_path / "out").iterdir())


def test_a_half_written_file_is_written_again_and_a_whole_one_kept(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_bytes({"1.txt": b"one", "2.txt": b"two"}))
    (tmp_path / "1.txt").write_bytes(b"o")
    (tmp_path / "2.txt").write_bytes(b"TWO")
    unpack(tmp_path / "a.tar", tmp_path)
    assert ((tmp_path / "1.txt").read_bytes(), (tmp_path / "2.txt").read_bytes()) == (b"one", b"TWO")


@pytest.mark.parametrize("name", PACKERS)
def test_a_cut_archive_is_told(tmp_path, name):
    content = PACKERS[name]({f"{n}.bin": bytes(range(256)) * 40 for n in range(3)})
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match="is (damaged|cut).* [Rr]emove it,? (and|to) download it again"):
        unpack(tmp_path / name, tmp_path / "in")
