"""Small dumps with their counts by hand: what has gone wrong in tools that read Wikipedia, each kind a case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clip_pipeline.api.count_words import count_words
from clip_pipeline.errors import DumpError
from clip_pipeline_tests.words.dumps import FOOT, page_xml

FILES_OF = {"en": "File", "de": "Datei", "fr": "Fichier", "ru": "Файл", "es": "Archivo", "zh": "File"}


def head(language: str = "en") -> str:
    return (
        f'<mediawiki version="0.11" xml:lang="{language}"><siteinfo><namespaces><namespace key="0" />'
        f'<namespace key="6">{FILES_OF.get(language, "File")}</namespace></namespaces></siteinfo>\n'
    )


def old(page: str) -> str:
    """As in dumps of 2010: neither namespaces nor redirects are marked."""
    return page.replace("    <ns>0</ns>\n", "")


@pytest.fixture
def words_of(tmp_path):
    def counting(*pages: str, language: str = "en", **options) -> dict[str, int]:
        path = tmp_path / "dump.xml"
        pages = tuple(page if page.startswith("  <page>") else page_xml("A", page) for page in pages)
        path.write_text(head(language) + "".join(pages) + FOOT, encoding="utf-8")
        counted = count_words(path, min_count=0, **options)
        return {row["word"]: row["count"] for row in counted.table.to_pylist()}

    return counting


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("de", "[[Datei:X.jpg|mini|hochkant=1.2|Der Turm|links]]", "der turm"),
        ("de", "[[Bild:X.jpg|thumb|200px|Der Turm]] [[Datei:Q.jpg|alternativtext=Ein Pferd|Das Pferd]]", "der turm das pferd"),
        ("de", "[[Datei:Y.jpg|miniatur|rechts|seite 3|200px]] [[Datei:Z.jpg|rahmenlos|zentriert]] Ende", "ende"),
        ("fr", "[[Fichier:X.jpg|vignette|La tour|gauche]] [[Fichier:W.jpg|redresse=1.3|vignette|cheval]]", "la tour cheval"),
        ("fr", "[[Image:Z.svg|cadre|centré|alt=rien]] suite", "suite"),
        ("ru", "[[Файл:X.jpg|мини|Старая башня|слева|200пкс]] [[Изображение:Y.jpg|справа]]", "старая башня"),
        ("es", "[[Archivo:X.jpg|miniaturadeimagen|izquierda|La torre]] [[Imagen:Y.jpg|derecha|200px]] fin", "la torre fin"),
        ("en", "[[File:X.jpg|links|200x300px|thumb]]", "links"),
        ("fa", "[[پرونده:X.jpg|بندانگشتی|چپ|۲۵۰پیکسل|برج]]", "برج"),
    ],
)  # fmt: skip
def test_options_and_namespaces_are_known_in_the_wiki_s_own_language_and_only_there(words_of, language, text, words):
    assert words_of(text, language=language) == dict.fromkeys(words.split(), 1)


@pytest.mark.parametrize(
    "beginning", ["#WEITERLEITUNG", "#Redirección:", "#ПЕРЕНАПРАВЛЕНИЕ", "#تغییر_مسیر", "#YÖNLENDİRME", "  #redirect"]
)
def test_redirects_of_any_language_hold_no_words(words_of, beginning):
    page = old(page_xml("A", f"{beginning} [[Target]]"))
    assert words_of(page, old(page_xml("B", "prose"))) == {"prose": 1}
    assert words_of(page_xml("A", f"{beginning} [[Target]]"), "prose") == {"prose": 1}


def test_a_list_that_begins_like_a_redirect_is_none(words_of):
    assert words_of("#Weiterleitung der Post") == {"weiterleitung": 1, "der": 1, "post": 1}


def test_links_to_other_languages_show_nothing_and_other_colons_do(words_of):
    codes = ("simple", "fr", "zh-classical", "be-x-old", "tokipona", "map-bms", "nds-nl", "Roa-rup")
    links = "\n".join(f"[[{code}:Junk]]" for code in codes)
    shown = "[[:en:Hi|Hello]] [[some text: more: deep]] [[Cookbook:Pie|pie]]"
    found = words_of(f"{links}\n{shown}")
    assert found == dict.fromkeys(["hello", "some", "text", "more", "deep", "pie"], 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a -{zh-hans:one; zh-hant:two;}- b", "a one b"),
        ("a -{zh-cn:one&nbsp;more;zh-tw:two}- b", "a one more b"),
        (
            "-{R|raw}- -{A|zh-cn:shown;zh-tw:x}- -{H|zh-cn:x;zh-tw:y}- -{T|zh-cn:x;zh-tw:y}- -{D|x}- end",
            "raw shown end",
        ),
        ("[[sr|-{sr-ec: први; sr-el: drugi}-]] -{plain}- -{zh-hans;zh-hant|both}-", "први plain both"),
        ("-{Latin=>zh-cn:one;Latin=>zh-tw:two}- -{zh-cn:[[a|linked]];zh-tw:[[b|x]]}-", "one linked"),
        ("-{zh-cn:-{zh-hk:deep;zh-tw:x}-;zh-tw:y}- -{open", "deep open"),
    ],
)
def test_of_language_variants_one_is_read_and_no_rule(words_of, text, words):
    assert words_of(text, language="zh", segmentation="none") == dict.fromkeys(words.split(), 1)


def test_in_wikis_without_variants_their_marks_are_text(words_of):
    assert words_of("2-{[Two-{phenyl}-acetamide") == {"two": 1, "phenyl": 1, "acetamide": 1}


def test_tags_of_extensions_leave_their_text_and_data_nothing(words_of):
    text = (
        '<phonos file="x.ogg">Fir</phonos> <langconvert from=a>Ash</langconvert> <translate><tvar name=x>Elm</tvar></translate> '
        "<mapframe>{geo}</mapframe> <DynamicPageList>category=x</DynamicPageList> <score>c d</score> <quiz>q</quiz> 1 < 2"
    )
    assert words_of(text) == {"fir": 1, "ash": 1, "elm": 1}


def test_switches_of_any_language_and_case_are_none_of_the_words(words_of):
    text = "__notoc__ __KEIN_INHALTSVERZEICHNIS__ a __SIN_TDC__ __БЕЗ_ОГЛ__ __بی\u200cفهرست__ b __init__"
    assert words_of(text) == {"a": 1, "b": 1, "init": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The ''Eagle'''s upper stage", "the eagle's upper stage"),
        ("d'''are'' ends", "d'are ends"),
        ("L''''armonium''' et l'''été'''", "l'armonium et lété"),
        ("L{{'}}'''Andalousie''' L<nowiki>'</nowiki>''Inde''", "l'andalousie l'inde"),
        ("'''''five''''' ''''''six'''''' ''two\n''next line'''s", "five six two next line's"),
        ("''θ''<sub>''i''</sub>", "θi"),
    ],
)
def test_runs_of_apostrophes_are_read_by_the_wiki_s_rules(words_of, text, words):
    assert words_of(text) == dict.fromkeys(words.split(), 1)


def test_a_few_templates_show_text_of_the_article(words_of):
    text = (
        "a {{quote|one [[x|two]]|an author}} {{Blockquote |author=x |text=three}} {{w|Oslo|four}} {{nowrap|five six}} "
        "{{convert|1|mi}} {{infobox|{{quote|hidden}}}} {{cite|hidden}}"
    )
    assert words_of(text) == dict.fromkeys(["a", "one", "two", "three", "four", "five", "six"], 1)


def test_what_is_hidden_in_wikitext_is_not_read(words_of):
    text = (
        'a <span style="color:red; DISPLAY : none">x <span>y</span> z</span>b <div hidden>x</div> <p class="noprint">x</p> '
        '<span style="display:inline">shown</span> <span title="hidden">too</span> <span style="display:none">open'
    )
    assert words_of(text) == dict.fromkeys(["a", "b", "shown", "too", "open"], 1)


def test_pages_of_other_content_models_are_not_counted_and_that_is_said(words_of, caplog):
    def of(model: str, text: str) -> str:
        return page_xml(f"Page of {model}", text).replace("      <text", f"      <model>{model}</model>\n      <text")

    pages = [
        of("wikibase-item", '{"type":"item"}'),
        of("wikibase-item", "{}"),
        of("Scribunto", "local p"),
        of("wikitext", "kept"),
    ]
    assert words_of(*pages, of("html", "<p>read</p>")) == {"kept": 1, "read": 1}
    assert '2 of "article of the content model wikibase-item", such as "Page of wikibase-item"' in caplog.text
    assert '1 of "article of the content model Scribunto", such as "Page of Scribunto"' in caplog.text
    with pytest.raises(DumpError, match='no article.*2 of "article of the content model wikibase-item"'):
        words_of(*pages[:2])


def test_tags_that_somebody_left_in_a_text_belong_to_its_markup(words_of):
    page = page_xml("A", "before the break@after the break").replace("@", "<br />")
    assert words_of(page) == {"before": 1, "the": 2, "break": 2, "after": 1}


def test_several_exports_in_one_file_are_read_after_each_other(tmp_path):
    one, two = (head() + page_xml(name, f"{name} text") + FOOT for name in ("first", "second"))
    path = tmp_path / "both.xml"
    for between in ("", "\n\n", '\n<?xml version="1.0"?>\n'):
        path.write_text(one + between.lstrip("\n" if "?" in between else "") + two)
        found = {row["word"]: row["count"] for row in count_words(path, min_count=0).table.to_pylist()}
        assert found == {"first": 1, "second": 1, "text": 2}


def test_articles_as_plain_text_are_counted_and_lines_of_an_index_passed_over(tmp_path):
    lines = [
        {"index": {"_id": "1"}},
        {"title": "A", "text": "plain text", "namespace": 0},
        {"title": "Talk:A", "text": "x", "namespace": 1},
    ]
    path = tmp_path / "wiki.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert sorted(count_words(path, min_count=0).table["word"].to_pylist()) == ["plain", "text"]


def test_of_one_wiki_s_dumps_in_a_folder_each_page_counts_once(tmp_path, caplog):
    for form in ("pages-articles", "pages-articles-multistream", "pages-meta-current"):
        Path(tmp_path, f"xxwiki-20260101-{form}.xml").write_text(head() + page_xml("A", "once") + FOOT)
    Path(tmp_path, "xxwiki-20260101-abstract.xml").write_text("<feed/>")
    Path(tmp_path, "xxwiki-20260101-categorylinks.sql.gz").write_bytes(b"-- MySQL")
    Path(tmp_path, "yywiki-20260101-pages-articles.xml").write_text(head() + page_xml("A", "once") + FOOT)
    assert count_words(tmp_path, min_count=0).table.to_pylist()[0]["count"] == 2
    assert "2 files hold pages that others of the same wiki and date hold as well" in caplog.text
