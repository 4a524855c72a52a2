from __future__ import annotations

import json
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import CaptionsError, PhotosError, SettingsError
from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.sources.photos.caption_files import Captioned, find_caption_files, read_caption_file
from clip_pipeline.sources.photos.captions import CaptionOptions
from clip_pipeline.sources.photos.formats.folder import check_captions
from clip_pipeline.sources.photos.names import photo_ids
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline.sources.photos.splits import parse_splits
from clip_pipeline.sources.tables.csv_tsv import sniff_delimiter
from clip_pipeline.sources.tables.values import EMPTY
from clip_pipeline_tests.made.opened_photos import list_folder
from clip_pipeline_tests.made.unpacking import unpack

PHOTO = b"the bytes are never looked at"


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PHOTO)
    return folder


def captions_of(table):
    return dict(zip(table["id"].to_pylist(), table["captions"].to_pylist(), strict=True))


def test_photos_are_found_at_any_depth_and_in_any_case(tmp_path):
    make(tmp_path, "b.JPG", "deep/er/a.jpeg", "c.webp", "notes.doc", ".hidden.jpg", "__MACOSX/c.jpg", ".cache/d.png")
    table = list_folder(tmp_path)
    assert table.schema == pa.schema(PHOTO_FIELDS)
    assert table["url"].to_pylist() == ["file:b.JPG", "file:c.webp", "file:deep/er/a.jpeg"]
    assert table["id"].to_pylist() == ["b", "c", "deep/er/a"]
    assert set(table["source"].to_pylist()) == {"folder"}
    assert all(table[name].null_count == 3 for name in ("width", "height", "licence", "attribution", "terms", "split"))


def test_ids_keep_the_ending_where_two_photos_would_share_one():
    assert photo_ids(["a.jpg", "a.png", "b.jpg", "c/a.jpg"]) == ["a.jpg", "a.png", "b", "c/a"]


@given(st.lists(st.from_regex(r"[ab.]{1,3}(\.jpg|\.png)?", fullmatch=True), unique=True))
def test_ids_are_always_unique(names):
    assert len(set(photo_ids(names))) == len(names)


EVERY_FORM = {
    "captions.csv": 'file,caption\na.jpg,"A dog, running"\nb.png,A cat\na.jpg,Two\n',
    "captions.tsv": "filename\ttext\na.jpg\tA dog, running\nb.png\tA cat\na.jpg\tTwo\n",
    "captions.jsonl": '{"file_name": "a.jpg", "captions": ["A dog, running", "Two"]}\n{"file_name": "b.png", "captions": ["A cat"]}\n',
    "captions.json": '{"a.jpg": ["A dog, running", "Two"], "b.png": "A cat"}',
    "captions.txt": 'a.jpg,"A dog, running"\nb.png,A cat\na.jpg,Two\n',
    "metadata.csv": 'Image Name;Title\na.jpg;"A dog, running"\nb.png;A cat\na.jpg;Two\n',
    "results.csv": "image_name| comment_number| comment\na.jpg| 0| A dog, running\nb.png| 0| A cat\na.jpg| 4   cut\na.jpg| 1| Two\n",
    "Flickr8k.token.txt": "a.jpg#0\tA dog, running\na.jpg#1\tTwo\nb.png#0\tA cat\n",
    "metadata.jsonl": '{"file_name": "a.jpg", "caption_1": "A dog, running", "caption_2": "Two"}\n{"file_name": "b.png", "caption_1": "A cat"}\n',
}


@pytest.mark.parametrize("name", EVERY_FORM)
def test_every_form_of_caption_file_is_found_and_read(tmp_path, name):
    make(tmp_path, "a.jpg", "b.png", "c.gif")
    (tmp_path / name).write_bytes(EVERY_FORM[name].encode())
    expected = {"a": ["A dog, running", "Two"], "b": ["A cat"], "c": []}
    assert captions_of(list_folder(tmp_path)) == expected
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + EVERY_FORM[name].replace("\n", "\r\n").encode())
    assert captions_of(list_folder(tmp_path)) == expected


def test_cocos_annotations_and_parquet_are_read(tmp_path):
    make(tmp_path / "photos", "a.jpg", "b.png")
    coco = {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.png"}],
        "annotations": [{"image_id": 8, "id": 1, "caption": "A cat"}, {"image_id": 7, "id": 2, "caption": "A dog"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    pq.write_table(pa.table({"path": ["a.jpg", "b.png"], "caption": ["A dog", "A cat"]}), tmp_path / "c.parquet")
    for name in ("coco.json", "c.parquet"):
        table = list_folder(tmp_path / "photos", str(tmp_path / name))
        assert captions_of(table) == {"a": ["A dog"], "b": ["A cat"]}


def test_a_quotation_mark_in_a_tab_separated_caption_swallows_nothing(tmp_path):
    make(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "captions.tsv").write_text('file\tcaption\na.jpg\t"Stop" says the sign\nb.jpg\t"all ""quoted"""\n')
    assert captions_of(list_folder(tmp_path)) == {"a": ['"Stop" says the sign'], "b": ['all "quoted"']}


@pytest.mark.parametrize(
    "written",
    [
        "x/1.jpg",
        "./x/1.jpg",
        "x\\1.jpg",
        "1.jpg",
        "../photos/x/1.jpg",
        "x/1",
        "1",
        "/home/someone/photos/x/1.jpg",
        "photos/x/1.jpg",
    ],
)
def test_a_photo_is_known_by_any_way_to_write_its_path(tmp_path, written):
    photos = make(tmp_path / "photos", "x/1.jpg", "y/2.jpg")
    (photos / "text").mkdir()
    (photos / "text" / "captions.csv").write_text(f"file,caption\n{written},A dog\n")
    assert captions_of(list_folder(photos)) == {"x/1": ["A dog"], "y/2": []}


@pytest.mark.parametrize(
    "written", ["img_1.jpg", "PHOTOS/IMG_1.JPG", "photos/Img_1.jfif", "img_1", "photos\\\\img_1.jpeg"]
)
def test_another_case_and_another_ending_mean_a_photo_where_only_one_can_be_meant(tmp_path, written):
    make(tmp_path, "photos/IMG_1.JPG", "photos/2.jpg", "photos/2.jpeg")
    (tmp_path / "captions.csv").write_text(f"file,caption\n{written},a cup\nphotos/2.JPE,a ball\n")
    found = captions_of(list_folder(tmp_path))
    assert found["photos/IMG_1"] == ["a cup"]
    assert found["photos/2.JPE"] == ["a ball"], "a row of its own: which of the two is meant is unknown"


def test_the_ending_of_another_kind_may_be_another_image(tmp_path):
    make(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "captions.csv").write_text("file,caption\n1.png,a cup\n2.jpg,a ball\n")
    assert captions_of(list_folder(tmp_path)) == {"1.jpg": [], "1.png": ["a cup"], "2": ["a ball"]}


def test_photos_are_known_by_all_names_of_the_kinds_that_are_decoded(tmp_path):
    make(tmp_path, "a.jfif", "b.JPE", "c.apng", "d.dib", "e.j2k", "f.svg")
    assert list_folder(tmp_path)["id"].to_pylist() == ["a", "b", "c", "d", "e"]


def test_a_base_name_that_two_photos_share_is_given_to_neither(tmp_path):
    make(tmp_path, "x/1.jpg", "y/1.jpg", "y/2.jpg")
    (tmp_path / "captions.csv").write_text("file,caption\n1.jpg,Which?\n2.jpg,Two\nz/2.jpg,Not that one\n")
    assert captions_of(list_folder(tmp_path)) == {
        "1": ["Which?"], "x/1": [], "y/1": [], "y/2": ["Two"], "z/2": ["Not that one"],
    }  # fmt: skip


def test_captions_may_lie_beside_the_photos(tmp_path):
    make(tmp_path, "a.jpg", "x/b.jpg")
    (tmp_path / "a.txt").write_text("A dog\nTwo\n")
    assert captions_of(list_folder(tmp_path)) == {"a": ["A dog", "Two"], "x/b": []}


def test_no_caption_is_read_through_a_link_that_leads_out_of_the_folder(tmp_path):
    photos = tmp_path / "photos"
    make(photos, "a.jpg", "b.jpg")
    (tmp_path / "secret.txt").write_text("A secret\n")
    (photos / "words.txt").write_text("A dog\n")
    (photos / "a.txt").symlink_to(tmp_path / "secret.txt")
    (photos / "b.txt").symlink_to(photos / "words.txt")
    assert captions_of(list_folder(photos)) == {"a": [], "b": ["A dog"]}


def test_photos_without_any_caption_say_where_captions_were_looked_for_to_those_who_need_them(tmp_path):
    photos = make(tmp_path / "images", "a.jpg", "b.jpg")
    table = list_folder(photos)
    opened = open_photos(photos)
    assert (opened.names, opened.metadata.captions) == (["a", "b"], None)
    with pytest.raises(
        CaptionsError, match=r"no caption file for the 2 photos of .*images: .*links\.captions .*--captions\)\.$"
    ):
        check_captions([table], photos, CaptionOptions())
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "Flickr8k.token.txt").write_text("a.jpg#0\tA dog\n")
    with pytest.raises(CaptionsError, match=r"--captions\)\. .*text/Flickr8k\.token\.txt may be meant"):
        check_captions([table], photos, CaptionOptions())
    captions = str(tmp_path / "text" / "Flickr8k.token.txt")
    check_captions([list_folder(photos, captions)], photos, CaptionOptions(captions))


def test_captions_of_no_photo_at_all_are_told_with_their_file(tmp_path):
    make(tmp_path, "a.jpg")
    told = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 2, "caption": "A cup"}]}
    (tmp_path / "captions.json").write_text(json.dumps(told))
    with pytest.raises(CaptionsError, match=r"captions\.json: no caption for any of the 1 photos"):
        check_captions([list_folder(tmp_path)], tmp_path, CaptionOptions())


def test_a_captioned_file_that_is_absent_stays_a_row(tmp_path):
    make(tmp_path, "a.jpg")
    (tmp_path / "captions.csv").write_text("file,caption\na.jpg,A dog\ngone.jpg,A cat\n../../etc/x.jpg,Out\n")
    counts = LeftOut()
    table = list_folder(tmp_path, counts=counts)
    assert table["url"].to_pylist() == ["file:../../etc/x.jpg", "file:a.jpg", "file:gone.jpg"]
    assert ("captioned photo that is not there", 2, "", "../../etc/x.jpg") in counts.rows()


def test_the_captions_setting_wins_over_what_lies_in_the_folder(tmp_path):
    make(tmp_path, "a.jpg")
    (tmp_path / "captions.csv").write_text("file,caption\na.jpg,Found\n")
    (tmp_path / "other.csv").write_text("file,caption\na.jpg,Given\n")
    assert captions_of(list_folder(tmp_path, "other.csv")) == {"a": ["Given"]}
    with pytest.raises(CaptionsError, match=r"There is no caption file none\.csv"):
        list_folder(tmp_path, "none.csv")


def test_words_come_before_lemmas(tmp_path):
    for name in ("Flickr8k.lemma.token.txt", "Flickr8k.token.txt"):
        (tmp_path / name).touch()
    assert find_caption_files(tmp_path) == [tmp_path / "Flickr8k.token.txt"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.csv", b"photographer,size\nx,1\n", "columns photographer, size, and none that is known to hold file names"),
        ("c.csv", b"file,size\na.jpg,1\n", "columns file, size, and none that is known to hold captions"),
        ("c.csv", b"file,caption\n", "holds no rows"),
        ("c.csv", b"", "is empty"),
        ("c.csv", b"file,caption\na.jpg,\n", "empty in every row"),
        ("c.csv", b"file,caption\na.jpg,caf\xe9\n", "is no UTF-8 text"),
        ("c.csv", b"PAR1\0\0\0", "holds zero bytes"),
        ("c.csv", b"file,caption\nz.jpg,A dog\n", "None of the 1 files that .* names is in"),
        ("c.jsonl", b'{"file": "a.jpg", "caption": "A"}\n{broken\n', "Line 2 of .* is no JSON"),
        ("c.jsonl", b"[1]\n", "Line 1 of .* is no object"),
        ("c.json", b"[1]", "unknown form"),
        ("c.parquet", b"no parquet", "cannot be read as Parquet"),
        ("c.txt", b"a.jpg#0\tA dog\na.jpg A cat\n", "line 2 is not name.jpg#0, a tab and the caption"),
    ],
)
def test_a_caption_file_that_does_not_fit_says_why(tmp_path, name, content, message):
    make(tmp_path, "a.jpg")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CaptionsError, match=message):
        list_folder(tmp_path, name)


def test_folders_without_photos_say_so(tmp_path):
    with pytest.raises(PhotosError, match="holds no photos"):
        list_folder(tmp_path)
    with pytest.raises(PhotosError, match="There is no folder"):
        list_folder(tmp_path / "none")
    with pytest.raises(PhotosError, match="is a file"):
        list_folder(make(tmp_path, "a.jpg") / "a.jpg")


def test_split_lists_give_splits_and_the_rest_stays_open(tmp_path):
    make(tmp_path, "x/1.jpg", "2.jpg", "3.jpg", "4.jpg")
    (tmp_path / "train.txt").write_text("1.jpg\nnot here.jpg\n")
    (tmp_path / "dev.txt").write_text("2\n\n")
    table = list_folder(tmp_path, "", f"train={tmp_path}/train.txt, dev=dev.txt")
    split_of = dict(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))
    assert split_of == {"x/1": "train", "2": "validation", "3": None, "4": None}


def test_split_lists_that_do_not_fit_say_why(tmp_path):
    make(tmp_path, "1.jpg")
    (tmp_path / "a.txt").write_text("1.jpg\n")
    (tmp_path / "b.txt").write_text("9.jpg\n")
    for splits, message in (
        ("train=a.txt,test=a.txt", "1.jpg is listed for train and for test"),
        ("test=b.txt", "names no photo"),
        ("test=none.txt", "There is no list none.txt of the test photos"),
    ):
        with pytest.raises(CaptionsError, match=message):
            list_folder(tmp_path, "", splits)
    with pytest.raises(SettingsError, match="two lists of the validation photos"):
        parse_splits("val=a.txt,dev=b.txt")
    for splits in ("a.txt", "holdout=a.txt", "train="):
        with pytest.raises(SettingsError, match="expected train=FILE"):
            parse_splits(splits)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)), min_size=1
    )
)
def test_a_tab_separated_file_gives_back_what_was_written(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("captions") / "captions.tsv"
    stripped = [(number, text.strip('"')) for number, text in rows]
    texts = [(f"{number}.jpg", text if text and text not in EMPTY else "x") for number, text in stripped]
    file.write_text("file\tcaption\n" + "".join(f"{name}\t{text}\n" for name, text in texts), encoding="utf-8")
    assert list(read_caption_file(file)) == [Captioned(name, [text]) for name, text in texts]


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [("a,b", ","), ("a;b,c", ";"), ("a\tb,c", "\t"), ("a| b| c", "|"), ("url", "")],
)
def test_the_delimiter_is_seen_in_the_first_line(line, delimiter):
    assert sniff_delimiter(line) == delimiter


@pytest.mark.slow
def test_flickr8k_with_its_captions_and_official_splits(tmp_path, shared_data):
    with tarfile.open(shared_data("flickr8k_128.tar")) as tar:
        wanted = [entry for number, entry in enumerate(tar) if "/text/" in entry.name or number % 50 == 0]
        unpack(tar, tmp_path, wanted)
    folder = tmp_path / "flickr8k_128"
    lists = {"train": "train", "validation": "dev", "test": "test"}
    splits = ",".join(f"{name}={folder}/text/Flickr_8k.{file}Images.txt" for name, file in lists.items())
    table = list_folder(folder, "", splits)
    present = [row for row in table.to_pylist() if row["url"].startswith("file:images/")]
    assert len(present) == sum("/images/" in entry.name for entry in wanted) > 100
    assert all(len(row["captions"]) in (4, 5) for row in present)
    # photos that were not extracted stay rows by their captions, so the official lists are whole
    counts = {one["values"]: one["counts"] for one in table["split"].value_counts().to_pylist()}
    assert (counts["train"], counts["validation"], counts["test"], len(table)) == (6000, 1000, 1000, 8093)
