from __future__ import annotations

import bz2
import hashlib

import pytest

from clip_pipeline.errors import DumpError
from clip_pipeline.sources.wikimedia.dump_files import (
    DumpPart,
    describe_dump,
    part_pieces,
    require_dump_file,
    split_part,
)
from clip_pipeline_tests.words.dumps import dump_xml, page_xml, read_pages, write_multistream

NAME = "enwiki-20240101-pages-articles-multistream.xml.bz2"


def titles(path, part):
    return [page.title for page in read_pages(part_pieces(path, part))]


@pytest.fixture
def multistream(tmp_path):
    path = tmp_path / NAME
    write_multistream(path, [[page_xml(f"P{n}", "text " * n, n)] for n in range(8)])
    return path


def test_a_description_names_date_size_checksum_and_parts(multistream):
    dump = describe_dump(multistream, 3)
    assert (dump.name, dump.date, dump.compression) == (NAME, "20240101", "bz2")
    assert dump.size == multistream.stat().st_size
    assert dump.sha256 == hashlib.sha256(multistream.read_bytes()).hexdigest()
    assert [part.key for part in dump.parts] == ["part-000", "part-001", "part-002"]
    assert DumpPart.from_json({"sha256": "more", **dump.parts[1].as_json()}) == dump.parts[1]


@pytest.mark.parametrize("parts", [1, 2, 3, 100])
def test_parts_hold_every_page_once_and_in_order(multistream, parts):
    dump = describe_dump(multistream, parts)
    assert [title for part in dump.parts for title in titles(multistream, part)] == [f"P{n}" for n in range(8)]
    assert len(dump.parts) == min(parts, 8)
    assert dump.parts[0].start == 0 and dump.parts[-1].end == dump.size


def test_a_part_is_split_again_for_several_processes(multistream):
    part = describe_dump(multistream, 2).parts[1]
    pieces = split_part(multistream, part, 3)
    assert len(pieces) > 1
    assert [title for piece in pieces for title in titles(multistream, piece)] == titles(multistream, part)


def test_the_streams_are_found_without_an_index_too(multistream):
    expected = describe_dump(multistream, 4)
    (multistream.parent / NAME.replace(".xml.bz2", "-index.txt.bz2")).unlink()
    assert describe_dump(multistream, 4) == expected


def test_an_index_of_another_dump_is_refused(multistream):
    index = multistream.parent / NAME.replace(".xml.bz2", "-index.txt.bz2")
    index.write_bytes(bz2.compress(b"17:1:A\n"))
    with pytest.raises(DumpError, match="different dumps"):
        describe_dump(multistream, 2)
    index.write_bytes(bz2.compress(b"not an index\n"))
    with pytest.raises(DumpError, match="no multistream index"):
        describe_dump(multistream, 2)


def test_a_dump_shorter_than_its_index_says_is_cut(multistream):
    multistream.write_bytes(multistream.read_bytes()[:1000])
    with pytest.raises(DumpError, match=r"is cut: it has 1,000 bytes, its index .* names a stream at"):
        describe_dump(multistream, 2)


def test_streams_cut_in_the_middle_of_pages_stay_one_part(tmp_path):
    path = tmp_path / "plain.xml.bz2"
    xml = dump_xml(*(page_xml(f"P{n}", "text", n) for n in range(5))).encode()
    path.write_bytes(b"".join(bz2.compress(xml[start : start + 501]) for start in range(0, len(xml), 501)))
    dump = describe_dump(path, 4)
    assert len(dump.parts) == 1
    assert len(titles(path, dump.parts[0])) == 5


def test_plain_xml_is_one_part(tmp_path):
    path = tmp_path / "x.xml"
    path.write_text("\ufeff<?xml version='1.0'?>\n" + dump_xml(page_xml("A", "x")))
    dump = describe_dump(path, 4)
    assert [part.key for part in dump.parts] == ["part-000"] and dump.date == ""
    assert titles(path, dump.parts[0]) == ["A"]


@pytest.mark.parametrize("content", [b"just words", bz2.compress(b"{}"), b"\0\1\2\3"])
def test_what_is_no_xml_is_refused(tmp_path, content):
    path = tmp_path / "x.xml.bz2"
    path.write_bytes(content)
    with pytest.raises(DumpError, match="is no XML"):
        describe_dump(path, 1)


def test_damage_inside_a_part_from_the_middle_raises(multistream):
    part = describe_dump(multistream, 4).parts[1]
    content = bytearray(multistream.read_bytes())
    content[part.start + 20 : part.start + 40] = b"x" * 20
    multistream.write_bytes(content)
    with pytest.raises(DumpError, match="damaged"):
        titles(multistream, part)


def test_a_missing_file_is_told_before_anything_is_read(tmp_path):
    with pytest.raises(DumpError, match="There is no dump file"):
        require_dump_file(tmp_path / "absent.xml")
