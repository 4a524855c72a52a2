"""Files of the user's own that cannot be used are refused before the first step."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.api.run import run
from clip_pipeline.errors import InputError, SettingsError
from clip_pipeline.pipeline.checks.user_files import check_user_files
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline_tests.images.photos import scene

ROWS = "url,caption\n" + "".join(f"https://example.org/{n}.jpg,a cup\n" for n in range(5000))
LATIN = ROWS.encode() + "https://example.org/x.jpg,un café\n".encode("latin-1")


def packed_tar(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())


def photo_in(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scene(1, size=(32, 32)).save(folder / "a.jpg")


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return make


def photo_with(name: str, content: bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        photo_in(folder / "photos")
        write(f"photos/{name}", content)(folder)

    return make


def parquet(folder: Path) -> None:
    pq.write_table(pa.table({"place": ["x"], "caption": ["a cup"]}), folder / "list.parquet")


LISTS = [
    ("a Latin-1 CSV, far down", write("list.csv", LATIN), "list.csv", r"list.csv is no UTF-8 text \(byte 0xe9 at place .* of line 5,002"),
    ("a packed one", write("list.csv.gz", gzip.compress(LATIN)), "list.csv.gz", r"no UTF-8 text"),
    ("a cut one", write("list.csv.gz", gzip.compress(LATIN)[:-20]), "list.csv.gz", r"cannot be unpacked|no UTF-8|is cut"),
    ("a JSON of another form", write("list.json", b'{"a": {"b": 1}, "c": {"d": 2}}'), "list.json", "list.json holds JSON of an unknown form"),
    ("JSONL that is none", write("list.jsonl", b"a\nb\n"), "list.jsonl", "Line 1 of .* is no JSON"),
    ("a .tar.gz", lambda folder: packed_tar(folder / "list.tar.gz"), "list.tar.gz", "list.tar.gz"),
    ("Parquet without urls", parquet, "list.parquet", "none that is known to hold urls"),
    ("nothing", lambda folder: None, "list.csv", "There is no .*list.csv"),
    ("the third of a folder", lambda folder: [write(f"lists/{n}.csv", ROWS.encode() if n < 2 else LATIN)(folder) for n in range(3)], "lists", r"2.csv is no UTF-8 text"),
]  # fmt: skip

FOLDERS = [
    ("captions in Latin-1", photo_with("captions.csv", "file,caption\na.jpg,un café\n".encode("latin-1")), "no UTF-8 text"),
    ("captions of another form", photo_with("captions.json", b'[["a.jpg", "a cup"]]'), "unknown form"),
    ("captions without a known column", photo_with("captions.csv", b"x,y\n1,2\n"), "none that is known to hold file names"),
    ("no captions", lambda folder: photo_in(folder / "photos"), "There is no caption file"),
]  # fmt: skip

OTHERS = [
    ("a dump that is none", write("wiki.xml.bz2", b"no dump"), ["wikipedia.dump={}/wiki.xml.bz2"], "wiki.xml.bz2"),
    ("a dump in lines that is none", write("wiki.ndjson", b"no json\n"), ["wikipedia.dump={}/wiki.ndjson"], "wiki.ndjson"),
    ("titles in Latin-1", write("titles.txt", "Café\n".encode("latin-1")), ["wikipedia.dump=api", "wikipedia.titles={}/titles.txt"], "no UTF-8"),
    ("stop words in Latin-1", write("stop.txt", "für\n".encode("latin-1")), ["words.stop_words={}/stop.txt"], "stop.txt is no UTF-8"),
    ("no stop words", lambda folder: None, ["words.stop_words={}/stop.txt"], "There is no file .*stop.txt"),
    ("a tokenizer that is none", write("tok/tokenizer.json", b"{}"), ["tokenizer.kind={}/tok"], "cannot read the tokenizer in"),
    ("no tokenizer", lambda folder: None, ["tokenizer.kind={}/tok"], "where no folder is"),
    ("no dataset", lambda folder: None, ["evaluation.datasets=mine={}/photos"], "There is no dataset"),
    ("a dataset without photos", write("photos/readme.txt", b"x"), ["evaluation.datasets=mine={}/photos"], "holds no photos"),
    ("a model folder without weights", write("model/open_clip_config.json", b"{}"), ["training.init_from={}/model"], "holds no open_clip_model"),
    ("an architecture that is none", write("model.json", b"[]"), ["training.model={}/model.json"], "model.json"),
]  # fmt: skip


def refused(folder: Path, assignments: list[str], sentence: str, select: str = "") -> None:
    settings = [one.format(folder) for one in assignments]
    with pytest.raises((InputError, SettingsError), match=sentence):
        run("tiny", folder / "data", settings=settings, select=select, on_start=lambda step: pytest.fail(step.name))


@pytest.mark.parametrize(("make", "name", "sentence"), [one[1:] for one in LISTS], ids=[one[0] for one in LISTS])
def test_a_list_that_cannot_be_read_is_refused_before_the_first_step(tmp_path, make, name, sentence):
    make(tmp_path)
    refused(tmp_path, ["links.source=url_list", f"links.path={{}}/{name}"], sentence)


@pytest.mark.parametrize(("make", "sentence"), [one[1:] for one in FOLDERS], ids=[one[0] for one in FOLDERS])
def test_captions_that_cannot_be_read_are_refused_before_the_first_step(tmp_path, make, sentence):
    make(tmp_path)
    refused(tmp_path, ["links.source=folder", "links.path={}/photos"], sentence)


@pytest.mark.parametrize(("make", "settings", "sentence"), [one[1:] for one in OTHERS], ids=[one[0] for one in OTHERS])
def test_other_files_that_cannot_be_read_are_refused_before_the_first_step(tmp_path, make, settings, sentence):
    make(tmp_path)
    refused(tmp_path, settings, sentence)


def test_several_files_are_told_at_once(tmp_path):
    settings = ["words.stop_words={}/stop.txt", "links.source=url_list", "links.path={}/list.csv"]
    refused(tmp_path, settings, r"(?s)2 things cannot be used as they are:\n.*stop.txt.*\n.*list.csv")


def test_only_the_files_of_the_selected_assets_are_looked_at(tmp_path):
    recipe = with_settings(find_recipe("tiny"), [f"words.stop_words={tmp_path}/stop.txt"])
    with Workspace(tmp_path / "data", recipe) as workspace:
        check_user_files(workspace, ["image_links"])
        with pytest.raises(InputError, match="stop.txt"):
            check_user_files(workspace, ["vocabulary"])


def test_a_dataset_that_was_added_and_is_gone_is_a_warning(tmp_path, caplog):
    (tmp_path / "data" / "datasets").mkdir(parents=True)
    (tmp_path / "data" / "datasets" / "mine.toml").write_text(f"dataset = {json.dumps(f'{tmp_path}/photos')}\n")
    with Workspace(tmp_path / "data", find_recipe("tiny")) as workspace:
        check_user_files(workspace, STEPS)
    assert "The dataset mine will fail: There is no dataset" in caplog.text


def test_a_dataset_among_others_is_a_warning_where_each_is_built_for_itself(tmp_path, caplog):
    settings = [
        f"evaluation.datasets=digits,mine={tmp_path}/photos,more={tmp_path}/more",
        f"words.stop_words={tmp_path}/stop.txt",
    ]
    with Workspace(tmp_path / "data", with_settings(find_recipe("tiny"), settings)) as workspace:
        check_user_files(workspace, ["benchmark_dataset"], "digits")
        check_user_files(workspace, STEPS.keys() - {"vocabulary"}, warn_of=["benchmark_dataset"])
        assert all(f"The dataset {name} will fail: There is no dataset" in caplog.text for name in ("mine", "more"))
        with pytest.raises(InputError, match="stop.txt") as found:
            check_user_files(workspace, STEPS, warn_of=["benchmark_dataset"])
        assert "There is no dataset" not in str(found.value)
        with pytest.raises(InputError, match="There is no dataset"):
            check_user_files(workspace, ["benchmark_dataset"], "mine")


def test_files_that_can_be_read_pass(tmp_path):
    write("list.csv", ROWS.encode())(tmp_path)
    write("stop.txt", b"the\n")(tmp_path)
    settings = ["links.source=url_list", f"links.path={tmp_path}/list.csv", f"words.stop_words={tmp_path}/stop.txt"]
    with Workspace(tmp_path / "data", with_settings(find_recipe("tiny"), settings)) as workspace:
        check_user_files(workspace, STEPS)
