"""`clip-pipeline words` on files of the user's own, good and bad."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import clip_pipeline
from clip_pipeline.cli import commands
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline_tests.words.dumps import dump_xml, page_xml


@pytest.fixture
def count(tmp_path):
    """`count(dump, ..., options)` runs the command; returns the rows as {word: count}."""

    def counting(*arguments: object) -> dict[str, int]:
        output = tmp_path / "out.parquet"
        asked = ["words", *map(str, arguments), "-o", str(output), "--min-count", "0"]
        result = CliRunner().invoke(commands, asked, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        table = pq.read_table(output)
        return dict(zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True))

    return counting


def html_line(name: str, body: str, namespace: int = 0) -> str:
    html = f"<html><body>{body}</body></html>"
    return json.dumps({"name": name, "namespace": {"identifier": namespace}, "article_body": {"html": html}}) + "\n"


HTML = html_line("Cat", "<p>A cat sleeps.</p>") + html_line("Talk:Cat", "<p>hidden</p>", 1) + "\n"


@pytest.fixture
def xml(tmp_path) -> Path:
    path = tmp_path / "x.xml"
    path.write_text(dump_xml(page_xml("A", "The cat and Zoë saw 3 mp3 x-rays. Die Katze.")))
    return path


def test_filters_are_options(count, xml):
    everything = {"the", "cat", "and", "zoë", "saw", "mp3", "x-rays", "die", "katze"}
    assert set(count(xml)) == everything
    assert set(count(xml, "--language", "en", "--no-digits")) == {"cat", "saw", "x-rays", "die", "katze"}
    assert set(count(xml, "--language", "de")) == everything - {"die"}
    assert set(count(xml, "--script", "english", "--stop-words", "en,de", "--no-digits")) == {"cat", "saw", "x-rays", "katze"}  # fmt: skip
    assert set(count(xml, "--min-length", 5)) == {"x-rays", "katze"}
    assert list(count(xml, "--max-words", 2)) == ["and", "cat"]


def test_filters_that_leave_no_word_are_an_error_that_names_the_one_that_took_most(count, xml):
    with pytest.raises(
        ClipPipelineError, match='None of the 9 words is left: 9 .*in_too_few_articles", such as "and".*--min-documents'
    ):
        count(xml, "--min-documents", 2)
    with pytest.raises(ClipPipelineError, match='9 are of "word too_rare", such as "and".*--min-count'):
        clip_pipeline.count_words(xml)


def test_from_python_the_words_are_a_table_and_nothing_is_written_or_printed(xml, tmp_path, capsys):
    counted = clip_pipeline.count_words(xml, min_count=0, language="en")
    assert counted.table["word"].to_pylist() == ["cat", "die", "katze", "mp3", "saw", "x-rays"]
    assert counted.found == 9 and counted.dropped["stop_word"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["x.xml"]
    assert capsys.readouterr().out == ""


def test_words_alone_are_written_as_lines(xml, tmp_path):
    output = tmp_path / "words.txt"
    asked = ["words", str(xml), "-o", str(output), "--min-count", "0", "--language", "en"]
    result = CliRunner().invoke(commands, asked, catch_exceptions=False)
    assert "Kept 6 of 9 words" in result.output
    assert re.search(r"word stop_word +2  --stop-words +and\n", result.output)
    assert output.read_text() == "cat\ndie\nkatze\nmp3\nsaw\nx-rays\n"


@pytest.mark.parametrize("name", ["a.ndjson", "a.jsonl.gz", "a.tar.gz", "a.tar", "Cat.html"])
def test_html_is_counted_in_each_of_its_forms(count, tmp_path, name):
    path = tmp_path / name
    content = HTML.encode()
    if ".tar" in name:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for member in ("enwiki_0.ndjson", "._enwiki_0.ndjson", "README"):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        content = buffer.getvalue()
    if name == "Cat.html":
        content = b"<html><body><p>A cat sleeps.</p></body></html>"
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert count(path) == {"a": 1, "cat": 1, "sleeps": 1}


def test_xml_and_html_folders_and_patterns_are_counted_together(count, xml, tmp_path):
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "a.ndjson").write_text(HTML)
    (folder / "b.ndjson").write_text(HTML)
    assert count(xml, folder)["cat"] == 3
    assert count(f"{folder}/?.ndjson") == {"a": 2, "cat": 2, "sleeps": 2}


def bad_input(tmp_path: Path, name: str, content: bytes) -> str:
    path = tmp_path / name
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.xml", b"", "is empty"),
        ("x.xml", b"hello", "is no XML"),
        ("x.7z", b"7z\xbc\xaf\x27\x1c rest", "7z archive.*7z x x.7z"),
        ("x.xml", dump_xml(page_xml("A", "cat"))[:-20].encode(), "is cut"),
        (
            "x.xml",
            dump_xml(page_xml("Talk:A", "cat", namespace=1), page_xml("B", "{{disambig}}")).encode(),
            "no article",
        ),
        ("x.ndjson", HTML.encode()[:-40], r"cut: its last line, 2, is half"),
        ("x.ndjson", HTML.encode() + b"not json\n", "Line 4 of x.ndjson is no JSON"),
        ("x.ndjson", b"[1]\n", "Line 1 .* holds list"),
        ("x.ndjson", b'{"title": "A", "body": "B"}\n', "has no article: its keys are body, title"),
        ("x.ndjson", b'{"html": "", "namespace": 0}\n', "no article"),
        ("x.ndjson.gz", gzip.compress(HTML.encode() * 99, mtime=0)[:-30], "is cut: its gzip data"),
        ("x.tar", b"x" * 2000, "cut or no tar"),
        ("x.tar.gz", gzip.compress(b"\0" * 10240, mtime=0), "holds no .ndjson"),
        ("x.html", b"just words", "is no HTML"),
    ],
)
def test_bad_dumps_get_a_sentence(count, tmp_path, name, content, words):
    with pytest.raises(ClipPipelineError, match=words):
        count(bad_input(tmp_path, name, content))


def test_bad_options_get_a_sentence(count, xml, tmp_path):
    with pytest.raises(ClipPipelineError, match="There is no dump file"):
        count(tmp_path / "nothing.xml")
    with pytest.raises(ClipPipelineError, match='no list of stop words for "xx".*There are lists for de, en'):
        count(xml, "--language", "xx")
    with pytest.raises(ClipPipelineError, match='words.script is .latn.. Did you mean "latin"'):
        count(xml, "--script", "latn")
    with pytest.raises(ClipPipelineError, match="There is no file"):
        count(xml, "--stop-words", "own.txt")
    asked = ["words", str(xml), "-o", str(tmp_path / "out.csv")]
    with pytest.raises(ClipPipelineError, match=r"neither \.parquet"):
        CliRunner().invoke(commands, asked, catch_exceptions=False)
    assert not (tmp_path / "out.parquet").exists() and not (tmp_path / "out.csv").exists()
