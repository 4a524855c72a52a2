"""Dumps of several files, other languages, HTML and the API through the steps of the pipeline."""

from __future__ import annotations

import bz2
import json
import subprocess
import sys
import threading

import pytest

from clip_pipeline.display.left_out import left_out_sentences
from clip_pipeline.errors import DumpError, SettingsError
from clip_pipeline.pipeline.graph import STEPS, select
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.status import pipeline_status
from clip_pipeline.pipeline.steps.report import left_out_of_assets
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe, with_settings
from clip_pipeline_tests.made.first_error import first_error
from clip_pipeline_tests.sources.loopback import loopback
from clip_pipeline_tests.words.dumps import HEAD, dump_xml, page_xml, write_multistream

GERMAN_HEAD = HEAD.replace(">File<", ">Datei<").replace(">Category<", ">Kategorie<").replace(">Talk<", ">Diskussion<")
RUSSIAN_HEAD = HEAD.replace(">File<", ">Файл<").replace(">Category<", ">Категория<").replace("enwiki", "ruwiki")


def recipe(dump, *more: str) -> Recipe:
    small = ["words.min_count=0", "links.buckets=16", "wikipedia.parts=2", "compute.workers=1"]
    return with_settings(Recipe(), [f"wikipedia.dump={dump}", *small, *more])


def vocabulary(data, dump, *more: str) -> list[str]:
    with first_error(), Workspace(data, recipe(dump, *more)) as workspace:
        run_steps(workspace, select("+vocabulary"))
        return workspace.get("vocabulary").file("words.txt").read_text(encoding="utf-8").split()


def test_a_german_dump_gives_german_words(tmp_path):
    text = (
        "Die '''Hauskatze''' schläft auf dem [[Baum|großen Baum]]. [[Datei:Katze.jpg|mini|links|Katze im Gras]]\n"
        "[[Kategorie:Versteckt]] [[:Kategorie:Säugetiere|Säugetiere]] {{Vorlage|versteckt}} x² 1990 Größe Größe"
    )
    path = tmp_path / "dewiki-20260101-pages-articles.xml"
    path.write_text(
        GERMAN_HEAD + page_xml("Katze", text) + page_xml("Diskussion:Katze", "versteckt", 2, 1) + "</mediawiki>"
    )
    words = vocabulary(tmp_path / "data", path, "words.script=latin", "words.stop_words=de")
    assert words[0] == "größe"
    assert sorted(words) == ["baum", "gras", "großen", "größe", "hauskatze", "katze", "schläft", "säugetiere"]


def test_a_russian_dump_gives_russian_words(tmp_path):
    text = (
        "'''Кошка''' — домашнее [[животное]], которое спит на дереве. [[Файл:Cat.jpg|thumb|Рыжая кошка]]\n"
        "[[Категория:Скрыто]] (лат. ''Felis catus'') 1990 год"
    )
    path = tmp_path / "ruwiki-20260101-pages-articles.xml.bz2"
    path.write_bytes(bz2.compress((RUSSIAN_HEAD + page_xml("Кошка", text) + "</mediawiki>").encode()))
    words = vocabulary(tmp_path / "data", path, "words.script=cyrillic", "words.stop_words=ru")
    assert words[0] == "кошка"
    assert sorted(words) == sorted(["кошка", "домашнее", "животное", "спит", "дереве", "рыжая", "лат", "год"])


def test_a_folder_or_a_pattern_of_dumps_is_counted_as_one(tmp_path):
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    for number in (1, 2, 10):
        name = f"enwiki-20260101-pages-articles-multistream{number}.xml-p{number}p{number + 5}.bz2"
        pages = [[page_xml(f"P{n}", f"shared word{'abcdefghij'[number - 1]} tree{n % 3}x", n)] for n in range(4)]
        write_multistream(dumps / name, pages, index=False)
    (dumps / "notes.txt").write_text("no dump")
    (dumps / "enwiki-20260101-pages-articles-multistream-index.txt.bz2").write_bytes(b"BZh9")
    words = vocabulary(tmp_path / "data", dumps)
    assert sorted(words) == ["shared", "worda", "wordb", "wordj"]
    assert vocabulary(tmp_path / "data2", dumps / "*multistream*.bz2") == words
    with Workspace(tmp_path / "data", recipe(dumps)) as workspace:
        dump = workspace.get("wikipedia_dump")
        parts = STEPS["word_counts"].partitions(workspace)
        files = [json.loads(dump.file(f"parts/{part}.json").read_text())["file"] for part in parts]
    assert dump.facts["files"] == 3 and parts == ["part-000", "part-001", "part-002"]
    assert [name.split("multistream")[1].split(".")[0] for name in files] == ["1", "2", "10"]


def test_a_changed_file_of_several_is_counted_again_alone(tmp_path):
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    for name in "abc":
        (dumps / f"{name}.xml").write_text(dump_xml(page_xml(name, f"word{name} shared")))
    vocabulary(tmp_path / "data", dumps)
    (dumps / "b.xml").write_text(dump_xml(page_xml("b", "other shared")))
    with Workspace(tmp_path / "data", recipe(dumps)) as workspace:
        (_, counts, _) = run_steps(workspace, select("+vocabulary"))
    assert [part for part, outcome in counts.partitions.items() if not outcome.hit] == ["part-001"]


def test_bad_places_of_dumps_get_a_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DumpError, match="holds no dump file"):
        vocabulary(tmp_path / "data", tmp_path / "empty")
    with pytest.raises(DumpError, match="No dump file is named like"):
        vocabulary(tmp_path / "data", tmp_path / "*.xml")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.xml").write_text(dump_xml())
    with pytest.raises(DumpError, match=r"Two files of .* are named x\.xml"):
        vocabulary(tmp_path / "data", tmp_path / "?" / "*.xml")


def test_a_new_word_touches_only_its_bucket(tmp_path):
    path = tmp_path / "x.xml"
    path.write_text(dump_xml(page_xml("A", "cat tree house river stone")))
    vocabulary(tmp_path / "data", path)

    def buckets() -> dict[str, str]:
        with Workspace(tmp_path / "data", recipe(path)) as workspace:
            files = workspace.get("vocabulary").manifest["files"]
        return {name: entry["sha256"] for name, entry in files.items() if name.startswith("buckets/")}

    before = buckets()
    path.write_text(dump_xml(page_xml("A", "cat tree house river stone zebra cat")))
    assert "zebra" in vocabulary(tmp_path / "data", path)
    changed = [name for name, hash_ in buckets().items() if before[name] != hash_]
    assert len(before) == 16 and len(changed) == 1


def test_a_changed_file_of_stop_words_makes_the_vocabulary_stale(tmp_path):
    path, own = tmp_path / "x.xml", tmp_path / "own.txt"
    path.write_text(dump_xml(page_xml("A", "cat tree house")))
    own.write_text("cat\n")
    assert vocabulary(tmp_path / "data", path, f"words.stop_words={own}") == ["house", "tree"]
    own.write_text("tree\n")
    assert vocabulary(tmp_path / "data", path, f"words.stop_words={own}") == ["cat", "house"]


def test_html_lines_are_counted_in_parts_as_one_dump(tmp_path):
    path = tmp_path / "enwiki_namespace_0.ndjson"
    lines = []
    for number in range(3000):
        body = f"<html><body><p>A cat{'abc'[number % 3]} sleeps.</p><figure><figcaption>Grass</figcaption></figure></body></html>"
        lines.append(json.dumps({"name": f"T{number}", "namespace": {"identifier": 0}, "article_body": {"html": body}}))
    path.write_text("\n".join(lines))
    words = vocabulary(tmp_path / "data", path, "wikipedia.parts=3")
    assert words == ["grass", "sleeps", "cata", "catb", "catc"]
    with Workspace(tmp_path / "data", recipe(path, "wikipedia.parts=3")) as workspace:
        assert len(STEPS["word_counts"].partitions(workspace)) == 3
        rows = workspace.get("vocabulary").rows
    assert rows == {"words": 5}


def test_titles_are_read_through_the_api(tmp_path):
    from clip_pipeline_tests.sources.wikimedia.test_api_articles import Wiki

    with loopback() as site:
        Wiki(site)
        api = f"wikipedia.api=http://127.0.0.1:{site.port}/w/api.php"
        settings = [api, "wikipedia.titles=Katze|Hund|Nirgends", "words.script=latin", "words.stop_words=de"]
        with pytest.raises(SettingsError, match=r"download\.contact is empty"):
            vocabulary(tmp_path / "data", "api", *settings)
        settings.append("download.contact=ann@example.org")
        words = vocabulary(tmp_path / "data", "api", *settings)
        assert words[0] == "katze" and set(words) == {"katze", "gras", "hund", "haus", "tier"}
        asked = len(site.requests)
        assert vocabulary(tmp_path / "data", "api", *settings) == words
        assert len(site.requests) == asked, "what was read is not asked again"
    with Workspace(tmp_path / "data", recipe("api", *settings)) as workspace:
        dump = workspace.get("wikipedia_dump")
    assert dump.facts["missing"] == ["Nirgends"]
    assert dump.manifest["files"]["answers.jsonl.gz"]["sidecar"]


@pytest.mark.slow
def test_a_download_of_titles_that_is_killed_goes_on_where_it_was(tmp_path):
    """kill -9 while the wiki is asked for its third batch: the second run asks for that one and the rest."""
    from clip_pipeline_tests.sources.wikimedia.test_api_articles import Wiki

    titles = "|".join(f"Seite {number}" for number in range(200))

    def command(site, data):
        settings = [f"wikipedia.api=http://127.0.0.1:{site.port}/w/api.php", f"wikipedia.titles={titles}"]
        settings += ["wikipedia.dump=api", "download.contact=ann@example.org"]
        asked = [argument for setting in settings for argument in ("--set", setting)]
        selected = ["--select", "wikipedia_dump", "--data", str(data), "--no-history"]
        return [sys.executable, "-m", "clip_pipeline", "run", *selected, *asked]

    with loopback() as site:
        wiki = Wiki(site)
        answer, reached, going_on = site.routes["/w/api.php"], threading.Event(), threading.Event()

        def answer_slowly(request, count):
            if len(wiki.batches) == 5 and not going_on.is_set():
                reached.set()
                going_on.wait(60)
            return answer(request, count)

        site.routes["/w/api.php"] = answer_slowly
        run = subprocess.Popen(command(site, tmp_path / "data"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert reached.wait(60)
        run.kill()
        run.wait()
        going_on.set()
        before = len(site.requests)
        subprocess.run(command(site, tmp_path / "data"), check=True, capture_output=True)
        asked = len(site.requests) - before
        subprocess.run(command(site, tmp_path / "other"), check=True, capture_output=True)
        whole = len(site.requests) - before - asked
    # Two batches of two answers each, the site's own description and the first half of the third batch were kept.
    assert (asked, whole) == (3, 9)
    name = "words/wikipedia_dump/dewiki-latest-pages-articles-multistream.xml.bz2"
    assert (tmp_path / "data" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_words_and_articles_that_are_left_out_are_said_by_the_run_by_status_and_in_the_report(tmp_path, caplog):
    path = tmp_path / "wiki.xml"
    item = page_xml("Q1", "{}", 2).replace("      <text", "      <model>wikibase-item</model>\n      <text")
    path.write_text(dump_xml(page_xml("A", "cat cat tree tree tree house mouse Öl"), item))
    rows = {
        "word_counts": [("article of the content model wikibase-item", 1, "", "Q1")],
        "vocabulary": [
            ("word too_rare", 3, "words.min_count", "house"),
            ("word over_max_words", 1, "words.max_words", "cat"),
        ],
    }
    steps = select("+vocabulary")
    with Workspace(tmp_path / "data", recipe(path, "words.min_count=1", "words.max_words=1")) as workspace:
        outcomes = run_steps(workspace, steps)
        statuses = pipeline_status(workspace, steps)
        for asset, left in rows.items():
            assert next(one for one in outcomes if one.asset == asset).left_out == left
            assert [row for one in statuses if one.asset == asset for row in one.left_out] == left
        assert left_out_of_assets(workspace) == [[asset, *row] for asset, left in rows.items() for row in left]
    said = [record.getMessage() for record in caplog.records if "eft out" in record.getMessage()]
    assert said == [f"Left out of {asset}: {one}" for asset, left in rows.items() for one in left_out_sentences(left)]
