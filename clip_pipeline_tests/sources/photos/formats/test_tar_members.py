"""What tars hold besides plain files: links, holes, and dots in names; what is not read is counted."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile

import pytest

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.sources.photos.formats.tar_index import read_place, read_tar_index
from clip_pipeline.sources.photos.formats.tar_keys import by_sample
from clip_pipeline.sources.photos.formats.tar_members import TarPlace, tar_members
from clip_pipeline_tests.made.opened_photos import list_tars
from clip_pipeline_tests.sources.photos.formats.test_tars import write_tar


def tar_with_links(path, *links):
    """A tar with a/x.jpg, and links of (name, target, kind)."""
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo("a/x.jpg")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"photo"))
        for name, target, kind in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            tar.addfile(entry)
    return path


HARD, SYMBOLIC = tarfile.LNKTYPE, tarfile.SYMTYPE


@pytest.mark.parametrize(
    ("name", "target", "kind"),
    [
        ("b/y.jpg", "a/x.jpg", HARD),
        ("./b/y.jpg", "./a/x.jpg", HARD),
        ("a/y.jpg", "x.jpg", SYMBOLIC),
        ("b/y.jpg", "../a/./x.jpg", SYMBOLIC),
    ],
)
def test_a_link_to_a_member_is_that_member(tmp_path, name, target, kind):
    path = tar_with_links(tmp_path / "0.tar", (name, target, kind))
    places = dict(tar_members(path))
    assert list(places) == ["a/x.jpg", name]
    assert read_place(path, places[name]) == b"photo"


def test_links_to_links_are_followed_and_circles_left(tmp_path):
    links = [
        ("b.jpg", "a/x.jpg", SYMBOLIC),
        ("c.jpg", "b.jpg", HARD),
        ("d.jpg", "e.jpg", SYMBOLIC),
        ("e.jpg", "d.jpg", SYMBOLIC),
    ]
    lost = LeftOut()
    found = dict(tar_members(tar_with_links(tmp_path / "0.tar", *links), left_out=lost))
    assert list(found) == ["a/x.jpg", "b.jpg", "c.jpg"]
    assert lost.rows() == [("link to what is not in the tar", 2, "", "d.jpg -> e.jpg")]


def test_a_link_that_leads_out_of_the_tar_is_counted_with_its_target(tmp_path):
    path = tar_with_links(tmp_path / "0.tar", ("y.jpg", "/etc/passwd", SYMBOLIC), ("z.jpg", "../a/x.jpg", SYMBOLIC))
    counts = LeftOut()
    assert list_tars(path, counts=counts)["id"].to_pylist() == ["0/a/x"]
    assert ("link to what is not in the tar", 2, "", "y.jpg -> /etc/passwd") in counts.rows()


def test_two_names_of_one_file_and_a_file_with_holes_as_gnu_tar_writes_them(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"photo")
    os.link(folder / "a.jpg", folder / "b.jpg")
    with (folder / "z.jpg").open("wb") as file:
        file.write(b"photo")
        file.truncate(4_000_000)
    names = ["a.jpg", "b.jpg", "z.jpg"]  # the one with holes last: less lies in the tar than its header says
    subprocess.run(["tar", "-C", str(folder), "-S", "-cf", str(tmp_path / "0.tar"), *names], check=True)
    counts = LeftOut()
    assert sorted(list_tars(tmp_path / "0.tar", counts=counts)["id"].to_pylist()) == ["0/a", "0/b"]
    holes = [row for row in counts.rows() if "holes" in row[0]]
    assert holes in ([("member with holes (tar --sparse)", 1, "", "z.jpg")], [])  # a file system may know no holes


@pytest.mark.parametrize(
    ("names", "samples"),
    [
        (["22.05.png", "22.05.txt"], {"22.05": ["png", "txt"]}),
        (["Track 2.0 (Clean).JPG", "Track 2.0 (Clean).txt"], {"Track 2.0 (Clean)": ["jpg", "txt"]}),
        (["img.0.jpg", "img.0.txt", "img.1.jpg", "img.1.txt"], {"img.0": ["jpg", "txt"], "img.1": ["jpg", "txt"]}),
        (["v1.0/1.jpg", "v1.0/1.txt"], {"v1.0/1": ["jpg", "txt"]}),
        (["m.image.jpg", "m.caption.txt"], {"m": ["jpg", "txt"]}),
        (["n.0.jpg", "n.1.jpg", "n.txt"], {"n.0": ["txt", "jpg"], "n.1": ["txt", "jpg"]}),
        (["a.jpg", "a.mask.png", "a.txt"], {"a": ["jpg", "mask.png", "txt"]}),
        (["a.jpg", "a.txt", "a.b.jpg", "a.b.txt"], {"a": ["jpg", "txt"], "a.b": ["jpg", "txt"]}),
        (["a.meta.json", "a.txt"], {"a": ["meta.json", "txt"]}),
    ],
)
def test_dots_in_names_divide_samples_where_photos_show_it(names, samples):
    found = by_sample((name, TarPlace(number, 1)) for number, name in enumerate(names))
    assert {key: list(members) for key, members in found.items()} == samples


def test_a_name_that_comes_twice_and_a_hidden_photo_are_counted(tmp_path):
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for name in ("k.jpg", "k.jpg", "..\\win.jpg", "._k.jpg", ".DS_Store"):
            tar.addfile(tarfile.TarInfo(name))
    lost = read_tar_index(tmp_path / "0.tar").left_out
    assert sorted(lost.rows()) == [
        ("member of a name that came before", 1, "", "k.jpg"),
        ("photo with a hidden name", 1, "", "..\\win.jpg"),
    ]


def test_captions_in_utf_16_are_read_and_those_in_another_encoding_counted(tmp_path):
    texts = {"a": "a café".encode("utf-16"), "b": "a café".encode("latin-1"), "c": "one\u2028caption".encode()}
    members = {
        f"{key}.{ending}": text for key, text in texts.items() for ending, text in (("jpg", b"x"), ("txt", text))
    }
    counts = LeftOut()
    table = list_tars(write_tar(tmp_path / "0.tar", members), counts=counts)
    assert table["captions"].to_pylist() == [["a café"], [], ["one\u2028caption"]]
    assert ("text that is neither UTF-8 nor UTF-16", 1, "", "0.tar: b.txt") in counts.rows()


@pytest.mark.parametrize("said", ['"a cup"', '["a cup"]', '[{"caption": "a cup"}]', '{"caption": "a cup"}'])
def test_json_may_be_a_text_or_a_list_too(tmp_path, said):
    assert list_tars(write_tar(tmp_path / "0.tar", {"a.jpg": b"x", "a.json": said}))["captions"].to_pylist() == [
        ["a cup"]
    ]
