"""The tars that photos are stored in, read back by us, by tarfile and by webdataset."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.images.shards.tar import ShardWriter, tar_header, write_shard
from clip_pipeline.sources.photos.formats.tar_index import read_shard, read_tar_index

SAMPLES = [
    ("000000001", {"jpg": b"\xff\xd8 two", "txt": "zwei Äpfel".encode(), "json": b'{"id": "b"}'}),
    ("000000000", {"txt": b"one apple", "json": b'{"id": "a"}', "jpg": b"\xff\xd8 one"}),
    ("000000002", {"jpg": b"", "txt": b"", "json": b"{}"}),
]


def test_the_bytes_are_the_same_for_any_order_and_any_clock(tmp_path):
    first, second = tmp_path / "a.tar", tmp_path / "b.tar"
    assert write_shard(first, SAMPLES) == 3
    assert write_shard(second, [(key, dict(reversed(list(files.items())))) for key, files in reversed(SAMPLES)]) == 3
    assert first.read_bytes() == second.read_bytes()


def test_tarfile_finds_plain_members_in_order_without_owner_or_time(tmp_path):
    write_shard(tmp_path / "a.tar", SAMPLES)
    with tarfile.open(tmp_path / "a.tar") as tar:
        entries = tar.getmembers()
        assert [entry.name for entry in entries] == [
            f"{key}.{ending}" for key in ("000000000", "000000001", "000000002") for ending in ("jpg", "json", "txt")
        ]
        assert {(entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) for entry in entries} == {
            (0, 0, 0, "", 0o644)
        }
        assert tar.extractfile("000000001.txt").read().decode() == "zwei Äpfel"


def test_webdataset_reads_the_same_samples(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    write_shard(tmp_path / "a.tar", SAMPLES)
    found = list(webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False))
    expected = {key: files for key, files in SAMPLES}
    assert [sample["__key__"] for sample in found] == sorted(expected)
    for sample in found:
        assert {ending: sample[ending] for ending in ("jpg", "json", "txt")} == expected[sample["__key__"]]


@pytest.mark.parametrize("key", ["00000.0001", "a/b"])
def test_a_key_with_a_dot_or_a_slash_is_refused(tmp_path, key):
    with pytest.raises(ValueError, match="cannot be a key"):
        write_shard(tmp_path / "a.tar", [(key, {"jpg": b""})])


def test_a_shard_may_be_empty(tmp_path):
    assert write_shard(tmp_path / "a.tar", []) == 0
    assert list(read_shard(tmp_path / "a.tar")) == []


KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="./"), min_size=1, max_size=30)
FILES = st.dictionaries(st.sampled_from(["jpg", "txt", "json", "cls", "seg.png"]), st.binary(max_size=1500), min_size=1)


@pytest.mark.slow
@given(samples=st.dictionaries(KEYS, FILES, max_size=6))
def test_samples_come_back_as_they_were_written(tmp_path_factory, samples):
    path = tmp_path_factory.mktemp("shard") / "a.tar"
    write_shard(path, samples.items())
    assert list(read_shard(path)) == sorted(samples.items())
    with tarfile.open(path) as tar:
        assert len(tar.getmembers()) == sum(map(len, samples.values()))


def by_tarfile(path, samples) -> bytes:
    """The same shard by the standard library."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, members in sorted(samples.items()):
            for ending, content in sorted(members.items()):
                entry = tarfile.TarInfo(f"{key}.{ending}")
                entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
                tar.addfile(entry, io.BytesIO(content))
    return path.read_bytes()


SIZES = st.integers(0, 1600) | st.sampled_from([0, 1, 511, 512, 513, 1023, 1024, 1025, 10239, 10240, 10241])
TEXTS = st.text(max_size=200).map(str.encode) | SIZES.map(bytes)


@pytest.mark.slow
@settings(deadline=None)
@given(
    samples=st.dictionaries(
        KEYS, st.fixed_dictionaries({"jpg": SIZES.map(bytes), "txt": TEXTS, "json": TEXTS}), max_size=5
    )
)
def test_the_bytes_are_those_of_tarfile_and_webdataset_finds_every_sample(tmp_path_factory, samples):
    folder = tmp_path_factory.mktemp("shard")
    write_shard(folder / "a.tar", samples.items())
    assert (folder / "a.tar").read_bytes() == by_tarfile(folder / "b.tar", samples)
    content = (folder / "a.tar").read_bytes()
    for key, members in read_tar_index(folder / "a.tar").items():
        assert {ending: content[start : start + size] for ending, (start, size) in members.items()} == samples[key]
    webdataset = pytest.importorskip("webdataset")
    if samples:
        found = webdataset.WebDataset(str(folder / "a.tar"), shardshuffle=False, handler=webdataset.reraise_exception)
        assert {one["__key__"]: {ending: one[ending] for ending in ("jpg", "txt", "json")} for one in found} == samples


@pytest.mark.slow
@given(
    name=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/"), min_size=1, max_size=100)
)
def test_a_header_is_tarfile_s_own_to_the_byte(name):
    for size in (0, 1, 512, 8**7, 8**11 - 1):
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = size, 0o644, 0
        assert tar_header(name, size) == entry.tobuf(tarfile.USTAR_FORMAT)


def test_samples_out_of_order_are_refused(tmp_path):
    with pytest.raises(ValueError, match="in the order of their keys"), ShardWriter(tmp_path / "a.tar") as tar:
        tar.add("b", {"jpg": b""})
        tar.add("a", {"jpg": b""})
