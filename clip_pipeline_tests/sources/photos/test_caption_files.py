"""Tables of captions under any name, with any separator; the official splits beside Flickr8k's tokens."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import CaptionsError
from clip_pipeline.sources.photos.caption_files import Captioned, read_caption_file
from clip_pipeline.sources.photos.splits import splits_of_files
from clip_pipeline.sources.tables.csv_tsv import sniff_delimiter
from clip_pipeline.sources.tables.values import EMPTY
from clip_pipeline_tests.made.opened_photos import list_folder
from clip_pipeline_tests.made.unpacking import unpack
from clip_pipeline_tests.sources.photos.formats.test_folder import captions_of, make


@pytest.mark.parametrize("separator", ["\t", ",", ";", "|", "^", "~", "::", "\x01"])
@pytest.mark.parametrize("column", ["title", "caption"])
def test_open_clips_tables_are_read_with_any_separator(tmp_path, separator, column):
    make(tmp_path, "images/1.jpg", "images/2.jpg")
    text = separator.join(["filepath", column]) + "\n"
    text += "".join(separator.join([f"images/{n}.jpg", f"A cup, number {n}"]) + "\n" for n in (1, 2))
    if separator == ",":
        text = text.replace("A cup, number 1", '"A cup, number 1"')
    (tmp_path / "pairs.csv").write_text(text)
    expected = {"images/1": ["A cup, number 1"], "images/2": ["A cup, number 2"]}
    assert captions_of(list_folder(tmp_path)) == expected  # found, whatever it is called
    outside = tmp_path / "images"
    assert list(captions_of(list_folder(outside, str(tmp_path / "pairs.csv"))).values()) == list(expected.values())


def test_train_and_val_tables_are_the_splits(tmp_path):
    make(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    (tmp_path / "train.csv").write_text("filepath\ttitle\n1.jpg\tA cup\n")
    (tmp_path / "val.csv").write_text("filepath\ttitle\n2.jpg\tA dog\n")
    (tmp_path / "prices.csv").write_text("name,price\ncup,3\n")
    (tmp_path / "notes.jsonl").write_text("no json")
    table = list_folder(tmp_path)
    assert captions_of(table) == {"1": ["A cup"], "2": ["A dog"], "3": []}
    assert table["split"].to_pylist() == ["train", "validation", None]
    assert list_folder(tmp_path, splits="none")["split"].to_pylist() == [None] * 3


def test_a_column_may_say_the_split_the_licence_and_laions_ratings(tmp_path):
    make(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "captions.csv").write_text(
        "file,caption,split,license,author,similarity,NSFW\n1.jpg,A cup,val,CC0,Ann,0.31,unsure\n2.jpg,A dog,?,,,,\n"
    )
    first, second = list_folder(tmp_path).to_pylist()
    names = ("split", "licence", "attribution", "similarity", "nsfw")
    assert [first[name] for name in names] == ["validation", "CC0", "Ann", 0.31, "UNSURE"]
    assert [second[name] for name in names] == [None] * 5


def test_columns_can_be_named(tmp_path):
    make(tmp_path, "1.jpg")
    (tmp_path / "c.csv").write_text("Bild,Was,kurz,caption\n1.jpg,Eine Tasse,Tasse,no\n")
    table = list_folder(tmp_path, "c.csv", file_key="bild", caption_keys="Was, kurz")
    assert captions_of(table) == {"1": ["Eine Tasse", "Tasse"]}


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        (
            "filpath,capton\n1.jpg,A\n",
            {},
            r'columns filpath, capton, .* file names. Expected.* Is "filpath" meant to be "filepath"',
        ),
        (
            "file,capton\n1.jpg,A\n",
            {},
            r'columns file, capton, .* hold captions. Expected.* Is "capton" meant to be "caption"',
        ),
        ("file,caption\n1.jpg,A\n", {"caption_keys": "captoin"}, r'has no column "captoin". Did you mean "caption"'),
        ("file,caption\n1.jpg,A\n", {"file_key": "zzz"}, r'has no column "zzz". Known: caption, file'),
        ("", {}, "is empty"),
        ("file,caption\n\n", {}, "holds no rows"),
        ("file,caption\n1.jpg,\n1.jpg,  \n", {}, "the column caption is empty in every row"),
        ('file,caption\n1.jpg,"A cup\n' + "and so on\n" * 60, {}, "the row of line 2 goes on to line 52"),
    ],
)
def test_a_table_that_does_not_fit_says_what_was_found_expected_and_near(tmp_path, text, keys, message):
    make(tmp_path, "1.jpg")
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(CaptionsError, match=message):
        list_folder(tmp_path, "c.csv", **keys)


@pytest.mark.parametrize("header", ["file,caption,caption", "file,Caption,caption", "file,prompt,prompt"])
def test_two_columns_of_one_name_are_both_read(tmp_path, header):
    make(tmp_path, "1.jpg")
    (tmp_path / "captions.csv").write_text(f"{header}\n1.jpg,A cup,A mug\n")
    assert captions_of(list_folder(tmp_path)) == {"1": ["A cup", "A mug"]}
    (tmp_path / "captions.csv").write_text("file,caption,caption\n1.jpg,A cup,A mug\n")
    assert captions_of(list_folder(tmp_path, caption_keys="caption")) == {"1": ["A cup", "A mug"]}


def test_an_empty_caption_is_a_row_without_one(tmp_path):
    make(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "c.csv").write_text('file,caption\n1.jpg,A cup\n1.jpg,\n2.jpg,"  "\n')
    counts = LeftOut()
    table = list_folder(tmp_path, "c.csv", counts=counts)
    assert captions_of(table) == {"1": ["A cup"], "2": []}
    assert counts["photo without caption"] == 1


def flickr8k(folder, photos):
    """A folder as Flickr8k's is: Images, and the text of its captions and lists."""
    make(folder, *(f"images/{n}.jpg" for n in photos))
    (folder / "text").mkdir()
    lines = [f"{n}.jpg#{k}\tA dog number {n} , told {k} .\n" for n in range(10) for k in range(5)]
    (folder / "text" / "Flickr8k.token.txt").write_text("".join(lines))
    for name, numbers in (("train", range(6)), ("dev", (6, 7)), ("test", (8, 9))):
        (folder / "text" / f"Flickr_8k.{name}Images.txt").write_text("".join(f"{n}.jpg\n" for n in numbers))
    return folder


def test_the_official_lists_beside_flickr8ks_tokens_are_its_splits(tmp_path):
    table = list_folder(flickr8k(tmp_path, range(10)))
    splits = dict(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))
    assert Counter(splits.values()) == {"train": 6, "validation": 2, "test": 2}
    assert splits["images/7"] == "validation"
    assert set(map(len, table["captions"].to_pylist())) == {5}
    (tmp_path / "text" / "Flickr_8k.devImages.txt").unlink()
    assert set(list_folder(tmp_path)["split"].to_pylist()) == {None}


def test_a_list_of_photos_that_are_not_there_says_how_many(tmp_path):
    make(tmp_path, "1.jpg")
    (tmp_path / "1.txt").write_text("A cup")
    (tmp_path / "train.lst").write_text("1.jpg\n7.jpg\n8.jpg\n")
    counts = LeftOut()
    list_folder(tmp_path, splits="train=train.lst", counts=counts)
    assert ("photo of the train list that is not there", 2, "", "7.jpg") in counts.rows()


@pytest.mark.slow
def test_flickr8ks_own_folder_needs_no_setting(tmp_path, shared_data):
    import tarfile

    with tarfile.open(shared_data("flickr8k_128.tar")) as tar:
        wanted = [entry for number, entry in enumerate(tar) if "/text/" in entry.name or number % 200 == 0]
        unpack(tar, tmp_path, wanted)
    counts = Counter(list_folder(tmp_path / "flickr8k_128")["split"].to_pylist())
    assert (counts["train"], counts["validation"], counts["test"]) == (6000, 1000, 1000)


CELLS = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters='"|\t^'), min_size=1, max_size=8
).filter(lambda text: text not in EMPTY)


@given(st.lists(st.tuples(st.integers(0, 9), CELLS), min_size=1), st.sampled_from([",", ";"]))
def test_what_csv_writes_comes_back(tmp_path_factory, rows, separator):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerows([("filepath", "caption"), *((f"{n}.jpg", caption) for n, caption in rows)])
    file = tmp_path_factory.mktemp("captions") / "pairs.csv"
    file.write_text(text.getvalue(), encoding="utf-8")
    assert list(read_caption_file(file)) == [Captioned(f"{n}.jpg", [caption]) for n, caption in rows]


@pytest.mark.parametrize(
    ("line", "mark"), [("filepath^title", "^"), ("a::b", "::"), ("url", ""), ("a.b", ""), ("a b", "")]
)
def test_odd_separators_stand_between_names(line, mark):
    assert sniff_delimiter(line) == mark


def test_names_of_files_are_splits_only_where_they_differ(tmp_path):
    files = [tmp_path / name for name in ("captions_train2014.json", "captions_val2014.json", "more.csv")]
    assert splits_of_files(files) == {files[0]: "train", files[1]: "validation"}
    assert splits_of_files(files[:1]) == {}
    assert splits_of_files([tmp_path / "train_val.csv", files[0]]) == {}


@pytest.mark.parametrize("ending", [".txt", ".caption", ".text", ".jpg.txt", ".jpg.caption"])
def test_captions_lie_beside_a_photo_under_its_name_with_its_ending_or_without(tmp_path, ending):
    make(tmp_path, "a/1.jpg", "a/2.jpg")
    (tmp_path / f"a/1{ending}").write_text("A cup\nA red cup\n")
    assert captions_of(list_folder(tmp_path)) == {"a/1": ["A cup", "A red cup"], "a/2": []}


def test_flickr30k_as_a_csv_needs_no_column_named(tmp_path):
    make(tmp_path, "flickr30k-images/1.jpg", "flickr30k-images/2.jpg")
    (tmp_path / "flickr_annotations_30k.csv").write_text(
        'raw,sentids,split,filename,img_id\n"[""A man, old."", ""A \'hat\'.""]","[0, 1]",train,1.jpg,0\n'
        "\"['A dog.', 'It runs.']\",\"[2, 3]\",test,2.jpg,1\n"
    )
    table = list_folder(tmp_path)
    assert captions_of(table) == {
        "flickr30k-images/1": ["A man, old.", "A 'hat'."],
        "flickr30k-images/2": ["A dog.", "It runs."],
    }
    assert table["split"].to_pylist() == ["train", "test"]
