"""Where captions and facts lie in the samples of tars: LAION's, text-to-image-2M's, our own shards, anybody's."""

from __future__ import annotations

import io
import json
import tarfile
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import CaptionsError, PhotosError
from clip_pipeline.sources.photos.formats.tar_index import find_photo, read_place, read_tar_index
from clip_pipeline.sources.photos.formats.tar_paths import parse_tar_url
from clip_pipeline.sources.photos.local_photos import LocalPhotos
from clip_pipeline.sources.tables.values import EMPTY
from clip_pipeline_tests.made.opened_photos import list_tars
from clip_pipeline_tests.sources.photos.formats.test_tars import write_tar

PHOTO = b"the bytes are never looked at"


def captions_of(path, caption_keys=""):
    return list_tars(path, caption_keys)["captions"].to_pylist()


def sample(key="a", **members):
    told = {f"{key}.{ending}": json.dumps(one) if ending.lower() == "json" else one for ending, one in members.items()}
    return {f"{key}.jpg": PHOTO, **told}


def test_a_tar_of_text_to_image_2m_has_its_captions_in_the_prompt(tmp_path):
    for number in range(2):  # keys are the same in each of its tars
        members = {}
        for n in range(3):
            members |= sample(f"{n:07d}", json={"prompt": f"A boat, number {n} of {number}"})
        write_tar(tmp_path / f"data_{number:06d}.tar", members)
    table = list_tars(tmp_path / "data_{000000..000001}.tar")
    assert table["captions"].to_pylist() == [[f"A boat, number {n} of {t}"] for t in range(2) for n in range(3)]
    assert len(set(table["id"].to_pylist())) == len(set(table["url"].to_pylist())) == 6


@pytest.mark.parametrize(
    ("members", "captions"),
    [
        ({"txt": "A dog\n\n  Two \n"}, ["A dog", "Two"]),
        ({"txt": "A dog\nTwo", "json": {"caption": "A dog\nTwo"}}, ["A dog\nTwo"]),  # one caption with a break in it
        ({"TXT": "A dog", "JSON": {"Caption": "A dog", "PROMPT": "A cat"}}, ["A dog", "A cat"]),
        ({"json": {"captions": ["One", " ", "Two", "One", 7, None]}}, ["One", "Two"]),
        ({"json": {"caption": [{"raw": "One"}, {"text": "Two"}]}}, ["One", "Two"]),
        ({"json": ["One", "Two"]}, ["One", "Two"]),
        ({"caption": "One", "json": "just a text"}, ["One", "just a text"]),
        ({"json": {"TEXT": "Alt text", "url": "http://a"}}, ["Alt text"]),
        ({"txt": "   "}, []),
        ({"json": {"prompt": None}}, []),
        ({"txt": b"caf\xe9 au lait"}, []),
        ({"txt": b"\xef\xbb\xbfA dog"}, ["A dog"]),
    ],
)
def test_captions_are_found_where_they_usually_are(tmp_path, members, captions):
    assert captions_of(write_tar(tmp_path / "0.tar", sample(**members))) == [captions]


@pytest.mark.parametrize(
    ("keys", "captions"),
    [
        ("txt", ["From txt"]),
        ("json.prompt", ["From prompt"]),
        ("Prompt, txt", ["From prompt", "From txt"]),
        ("json.meta.short", ["From meta"]),
        ("alt.txt", ["From alt.txt"]),
        ("json.syn,nothing", ["One", "Two"]),
    ],
)
def test_the_setting_names_members_and_keys(tmp_path, keys, captions):
    told = {"prompt": "From prompt", "caption": "Other", "meta": {"Short": "From meta"}, "syn": ["One", "Two"]}
    members = {**sample(txt="From txt", json=told), "a.alt.txt": "From alt.txt"}
    assert captions_of(write_tar(tmp_path / "0.tar", members), keys) == [captions]


def test_a_key_that_leads_nowhere_says_what_there_is(tmp_path):
    tar = write_tar(tmp_path / "0.tar", sample(json={"prompt": "A cup", "seed": 7}))
    with pytest.raises(
        CaptionsError, match=r'has a caption in json.promt .*jpg, json, json.prompt.*mean "json.prompt"'
    ):
        captions_of(tar, "json.promt")


def test_laions_tars_keep_their_ratings_licence_and_address(tmp_path):
    told = {"NSFW": "unlikely", "similarity": 0.34, "LICENSE": "?", "url": "http://a/1.jpg", "punsafe": "0.01"}
    told |= {"pwatermark": float("nan"), "width": 256, "original_width": 900, "status": "success"}
    members = sample("000000001", txt="A tree", json=told) | sample("000000002", json={"similarity": "high", "NSFW": 7})
    rows = list_tars(write_tar(tmp_path / "00000.tar", members)).to_pylist()
    names = ("similarity", "nsfw", "unsafe", "watermark", "licence", "origin", "width")
    assert [rows[0][name] for name in names] == [0.34, "UNLIKELY", 0.01, None, "?", "http://a/1.jpg", None]
    assert [rows[1][name] for name in names] == [None, "7", None, None, None, None, None]


def test_shards_of_our_own_keep_captions_words_split_and_licence(tmp_path):
    told = {"captions": ["A cup", "Two"], "words": ["cup"], "split": "test", "licence": "CC0", "url": "https://x/1"}
    (row,) = list_tars(write_tar(tmp_path / "00000.tar", sample("000000000", txt="A cup", json=told))).to_pylist()
    assert (row["captions"], row["words"], row["split"]) == (["A cup", "Two"], ["cup"], "test")
    assert (row["licence"], row["origin"]) == ("CC0", "https://x/1")


def test_photos_of_every_kind_and_keys_with_folders_are_read(tmp_path):
    members = {f"train/0001.{ending}": f"{ending}" for ending in ("PNG", "txt")}
    members |= {"./val.x/2.webp": "webp", "3.JPeG": "jpeg", "__MACOSX/._3.jpg": "no photo", "readme.md": "x"}
    path = write_tar(tmp_path / "0.tar", members)
    counts = LeftOut()
    table = list_tars(path, "", counts)
    assert table["id"].to_pylist() == ["0/val.x/2", "0/3", "0/train/0001"]
    assert [LocalPhotos(path, 99).read(url) for url in table["url"].to_pylist()] == [b"webp", b"jpeg", b"PNG"]
    assert counts == {"sample without photo": 1, "photo without caption": 2}


def test_a_key_of_the_json_that_stands_twice_loses_no_caption_and_what_it_loses_is_counted(tmp_path):
    twice = '{"caption": "A cup", "url": "https://x/1", "caption" : "A mug", "URL": "https://x/2", "more": {"url": 1}}'
    alike = '{"caption": "A dog", "Caption": "A dog", "license": "CC0", "license": "CC0"}'
    members = {**sample("a"), "a.json": twice, **sample("b"), "b.json": alike}
    counts = LeftOut()
    rows = list_tars(write_tar(tmp_path / "0.tar", members), "", counts).to_pylist()
    assert [row["captions"] for row in rows] == [["A cup", "A mug"], ["A dog"]]
    assert [row["origin"] for row in rows] == ["https://x/2", None]
    assert counts.rows() == [('value of "url", which has several in one KEY.json', 1, "", "0.tar: a.json")]


def test_text_that_is_too_long_and_json_that_is_too_deep_are_left_unread(tmp_path):
    members = {**sample("a", txt="x" * 1_000_001), **sample("b", txt="A cup"), "b.json": "[" * 200_000}
    assert captions_of(write_tar(tmp_path / "0.tar", members)) == [[], ["A cup"]]


def test_a_member_of_a_negative_size_is_no_endless_tar(tmp_path):
    entry = tarfile.TarInfo("a.jpg")
    header = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (-1024).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "0.tar").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(PhotosError, match="is no whole tar"):
        list_tars(tmp_path)


@pytest.mark.parametrize("header", [{"GNU.sparse.size": "much"}, {"GNU.sparse.map": "1,x"}, None])
def test_headers_that_tarfile_stumbles_over_are_no_whole_tar(tmp_path, header):
    entry = tarfile.TarInfo("a.jpg")
    if header is None:  # a thousand headers, each about the next
        pax = tarfile.TarInfo._create_pax_generic_header({"comment": "x"}, tarfile.XHDTYPE, "utf-8") * 3000
        (tmp_path / "0.tar").write_bytes(pax + entry.tobuf() + bytes(1024))
    else:
        with tarfile.open(tmp_path / "0.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            entry.pax_headers = header
            tar.addfile(entry)
    with pytest.raises(PhotosError, match="is no whole tar"):
        list_tars(tmp_path)


def test_names_that_are_no_text_are_left_out_and_counted(tmp_path):
    with tarfile.open(tmp_path / "0.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("caf\udce9.jpg", "a.jpg"):
            entry = tarfile.TarInfo(name)
            entry.size = 5
            tar.addfile(entry, io.BytesIO(b"photo"))
    counts = LeftOut()
    assert list_tars(tmp_path, counts=counts)["id"].to_pylist() == ["0/a"]
    assert ("member whose name is no UTF-8", 1, "", "'caf\\udce9.jpg'") in counts.rows()


def test_one_long_key_takes_no_memory_for_every_photo(tmp_path):
    keys = ["k" * 100_000, *(f"{n:04d}" for n in range(2000))]
    path = write_tar(tmp_path / "0.tar", {f"{key}.jpg": key[:9] for key in keys})
    tracemalloc.start()
    assert read_place(path, find_photo(path, keys[0])) == b"kkkkkkkkk"
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    assert [read_place(path, find_photo(path, key)) for key in keys[1:]] == [key.encode() for key in keys[1:]]


def test_links_in_a_tar_lead_nowhere_out_of_it(tmp_path):
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for name, kind in (("a.jpg", tarfile.SYMTYPE), ("b.jpg", tarfile.LNKTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)
        entry = tarfile.TarInfo("../../c.jpg")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"photo"))
    (row,) = list_tars(tmp_path).to_pylist()
    assert LocalPhotos(tmp_path, 99).read(row["url"]) == b"photo"
    assert list(tmp_path.parent.glob("c.jpg")) == []


def test_a_tar_without_its_end_is_read_with_a_warning(tmp_path, caplog):
    path = write_tar(tmp_path / "0.tar", sample(txt="A cup"))
    path.write_bytes(path.read_bytes()[: 4 * 512])
    assert len(list_tars(path)) == 1
    assert "may have been cut between two samples" in caplog.text


TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1).filter(lambda text: text not in EMPTY)
KEYS = st.from_regex(r"([a-z0-9é_-]{1,3}/){0,2}[A-Za-z0-9é_ -]{1,5}", fullmatch=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.dictionaries(KEYS, st.lists(TEXTS), min_size=1))
def test_every_key_gives_its_own_photo_and_captions(tmp_path, captions):
    members = {}
    for key, texts in captions.items():
        members |= {f"{key}.jpg": f"photo {key}", f"{key}.json": json.dumps({"captions": texts})}
    path = write_tar(tmp_path / "0.tar", members)
    table = list_tars(path)
    assert table["url"].to_pylist() == [f"tar:0.tar#{key}" for key in sorted(captions)]
    for row in table.to_pylist():
        _, key = parse_tar_url(row["url"])
        assert row["captions"] == list(dict.fromkeys(captions[key]))
        assert LocalPhotos(path, 1000).read(row["url"]) == f"photo {key}".encode()
    assert find_photo(path, "no such key") is None
    assert read_tar_index(path).keys() == captions.keys()
