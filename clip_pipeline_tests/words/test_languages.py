"""A small page of each of the largest Wikipedias, and of those whose script or spelling is peculiar, with its counts by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from clip_pipeline.api.count_words import count_words
from clip_pipeline.text.word_boundaries import split_words
from clip_pipeline.words import segmentation
from clip_pipeline.words.count import RULES, number_of_rules
from clip_pipeline_tests.words.dumps import FOOT, page_xml

PAGES = {
    "en": (
        "'''Lincoln''' was the president. [[File:L.jpg|thumb|right|alt=hidden|Lincoln’s hat]] Lincoln's well-known hat. {{Infobox|a=b}}\n"
        "[[Category:Presidents]]",
        "lincoln was the president lincoln's hat lincoln's well-known hat",
    ),
    "ceb": (
        "Ang '''bukid''' sa [[Pilipinas]]. [[Payl:B.jpg|thumb|left|Ang bukid]] Ang bukid nga ''taas''. [[Kategoriya:Bukid]]",
        "ang bukid sa pilipinas ang bukid ang bukid nga taas",
    ),
    "de": (
        "Das '''Schloß''' ist groß. [[Datei:S.jpg|mini|hochkant|links|Das alte Schloß]] Die Donau\u00addampf\u00adschiffe&nbsp;fahren.\n"
        "__KEIN_INHALTSVERZEICHNIS__ [[Kategorie:Schloß]]",
        "das schloß ist groß das alte schloß die donaudampfschiffe fahren",
    ),
    "fr": (
        "L''''été''' est l’amour d'aujourd’hui. [[Fichier:E.jpg|vignette|redresse=1.2|droite|L'été]] [[Catégorie:Été]]",
        "l'été est l'amour d'aujourd'hui l'été",
    ),
    "sv": ("En ''älg'' i skogen. [[Fil:A.jpg|miniatyr|höger|En älg]] [[Kategori:Älgar]]", "en älg i skogen en älg"),
    "nl": (
        "De foto's van 's avonds. [[Bestand:F.jpg|miniatuur|rechts|De foto's]] Zo'n café. [[Categorie:Foto]]",
        "de foto's van s avonds de foto's zo'n café",
    ),
    "es": (
        "El '''niño''' corre. [[Archivo:N.jpg|miniaturadeimagen|izquierda|El niño]] __SIN_TDC__ ¿Qué? [[Categoría:Niños]]",
        "el niño corre el niño qué",
    ),
    "ru": (
        "'''Ёлка''' стоит. [[Файл:E.jpg|мини|слева|200пкс|Старая ёлка]] __БЕЗ_ОГЛ__ Кое-кто ждёт. [[Категория:Ёлки]]",
        "ёлка стоит старая ёлка кое-кто ждёт",
    ),
    "it": (
        "L'''albero'' dell’uomo. [[File:A.jpg|miniatura|sinistra|L'albero]] Perché? [[Categoria:Alberi]]",
        "l'albero dell'uomo l'albero perché",
    ),
    "pl": (
        "'''Łódź''' płynie. [[Plik:L.jpg|thumb|lewo|Biała łódź]] Biało-czerwona. [[Kategoria:Łodzie]]",
        "łódź płynie biała łódź biało-czerwona",
    ),
    "pt": ("A '''maçã'''. [[Ficheiro:M.jpg|miniaturadaimagem|esquerda|A maçã]] Guarda-chuva.", "a maçã a maçã guarda-chuva"),
    "vi": (
        "'''Hà Nội''' là thủ đô. [[Tập tin:H.jpg|nhỏ|trái|Hà Nội]] [[Thể loại:Hà Nội]] __KHÔNG_MỤC_LỤC__",
        "hà nội là thủ đô hà nội",
    ),
    "uk": (
        "'''М'ята''' росте, м’ята, м\u02bcята. [[Файл:M.jpg|міні|праворуч|Свіжа м'ята]] [[Категорія:М'ята]]",
        "м'ята росте м'ята м'ята свіжа м'ята",
    ),
    "ar": ("'''كتاب''' جديد. [[ملف:K.jpg|تصغير|يسار|كتاب قديم]] [[تصنيف:كتب]]", "كتاب جديد كتاب قديم"),
    "fa": (
        "او می\u200cخواهد کتاب\u200cها را بخواند. [[پرونده:K.jpg|بندانگشتی|چپ|کتاب\u200cها]] او می&zwnj;خواهد. [[رده:کتاب\u200cها]]",
        "او می\u200cخواهد کتاب\u200cها را بخواند کتاب\u200cها او می\u200cخواهد",
    ),
    "he": (
        "'''צה\"ל''' הוא צבא. [[קובץ:Z.jpg|ממוזער|ימין|חיילי צה״ל]] שָׁלוֹם, צ'יפס. [[קטגוריה:צבא]]",
        "צה״ל הוא צבא חיילי צה״ל שָׁלוֹם צ'יפס",
    ),
    "si": (
        "'''ශ්\u200dරී ලංකාව''' දූපතකි. [[ගොනුව:S.jpg|thumb|ශ්\u200dරී ලංකාව]] [[ප්\u200dරවර්ගය:රටවල්]]",
        "ශ්\u200dරී ලංකාව දූපතකි ශ්\u200dරී ලංකාව",
    ),
    "sr": (
        "'''Београд''' је -{sr-ec: град; sr-el: grad}-. [[Датотека:B.jpg|мини|лево|Стари Београд]] [[Слика:C.jpg|десно]] -{Novi}- "
        "[[Категорија:Градови]]",
        "београд је град стари београд novi",
    ),
    "ca": ("La '''col·lecció''' d’art. [[Fitxer:C.jpg|miniatura|esquerra|Col·lecció]]", "la col·lecció d'art col·lecció"),
    "tr": ("'''İstanbul''' ıssız DEĞİL. [[Dosya:I.jpg|küçükresim|sağ|İstanbul]]", "istanbul issiz değil istanbul".replace("issiz", "ıssız")),
    "hi": ("'''हिन्दी''' भाषा। [[चित्र:H.jpg|अंगूठाकार|दाएँ|हिन्दी]] [[श्रेणी:भाषा]]", "हिन्दी भाषा हिन्दी"),
    "ko": ("'''서울'''은 도시이다. [[파일:S.jpg|섬네일|왼쪽|서울]] [[분류:도시]]", "서울은 도시이다 서울"),
    "zh": (
        "'''北京'''是-{zh-hans:城市;zh-hant:城市}-。[[File:B.jpg|缩略图|左|北京]][[文件:C.jpg|右|200像素]] [[Category:北京]]",
        "北京 是 城市 北京",
    ),
    "ja": ("'''東京'''は都市である。[[ファイル:T.jpg|サムネイル|左|東京]] [[カテゴリ:東京]]", "東京 は 都市 で ある 東京"),
    "th": ("'''ดาว'''คือวัตถุท้องฟ้า [[ไฟล์:D.jpg|thumb|left|ดาว]] [[หมวดหมู่:ดาว]]", "ดาว คือ วัตถุ ท้องฟ้า ดาว"),
    "km": ("ភាសាខ្មែរជាភាសា", "ភាសាខ្មែរ ជា ភាសា"),
    "lo": ("ພາສາລາວເປັນພາສາ", "ພາສາ ລາວ ເປັນ ພາສາ"),
    "my": ("မြန်မာဘာသာစကား", "မြန်မာဘာသာ စကား"),
}  # fmt: skip
CUT = ("zh", "ja", "th", "km", "lo", "my")


@pytest.fixture
def count(tmp_path):
    def counting(code: str, text: str, **options) -> dict[str, int]:
        path = tmp_path / f"{code}wiki.xml"
        head = f'<mediawiki version="0.11" xml:lang="{code}"><siteinfo><sitename>W</sitename></siteinfo>\n'
        path.write_text(head + page_xml("A", text) + FOOT, encoding="utf-8")
        return {row["word"]: row["count"] for row in count_words(path, min_count=0, **options).table.to_pylist()}

    return counting


@pytest.mark.parametrize("language", PAGES)
def test_a_page_of_the_language_has_the_words_that_its_reader_sees(count, language):
    if language in CUT:
        pytest.importorskip("icu4py")
    text, words = PAGES[language]
    assert count(language, text) == dict(Counter(words.split()))


@pytest.mark.parametrize("language", [language for language in PAGES if language not in CUT])
def test_captions_have_the_same_words_as_pages(count, language):
    words = PAGES[language][1]
    assert split_words(words) == words.split() == split_words(words.upper() if language not in ("tr", "de") else words)


@pytest.mark.parametrize("language", CUT)
def test_text_without_spaces_is_refused_where_nothing_cuts_it_unless_it_is_to_stay(count, language, monkeypatch):
    monkeypatch.setattr(segmentation, "can_segment", lambda: False)
    with pytest.raises(
        Exception, match=r"written without spaces.*clip_pipeline\[segmentation\].*words.segmentation=none"
    ):
        count(language, "x")
    assert count(language, "北京是城市。วัตถุ", segmentation="none") == {"北京是城市": 1, "วัตถุ": 1}


def test_a_few_words_without_spaces_in_another_wiki_stay_as_they_are_written(count):
    assert count("en", "วัตถุท้องฟ้า means celestial") == {"วัตถุท้องฟ้า": 1, "means": 1, "celestial": 1}


def test_possessives_count_for_their_words_in_english(count):
    text = "Lincoln's hat, Lincoln’s coat, Lincoln; the 1990's, dogs' LINCOLN'S rock'n'roll it's 's"
    kept = {"lincoln's": 3, "lincoln": 1, "1990's": 1, "rock'n'roll": 1, "it's": 1}
    merged = {"lincoln": 4, "it": 1, "rock'n'roll": 1}
    others = {"hat": 1, "coat": 1, "the": 1, "dogs": 1, "s": 1}
    assert count("en", text) == kept | others
    assert count("en", text, possessives=False) == merged | others
    for possessives in (True, False):
        assert number_of_rules("wikipedia-word-frequency", possessives) == RULES["wikipedia-word-frequency"]
    assert "lincoln's" not in count("en", text, language="en")
