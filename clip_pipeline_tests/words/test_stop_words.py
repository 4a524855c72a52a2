from __future__ import annotations

import pytest

from clip_pipeline.errors import InputError, SettingsError
from clip_pipeline.text.word_boundaries import split_words
from clip_pipeline.words.stop_words import choose_stop_words, stop_word_languages, stop_words_of


def test_ten_languages_have_a_list_of_words_as_they_are_counted():
    assert {"de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru", "sv"} <= set(stop_word_languages())
    for language in stop_word_languages():
        words = stop_words_of(language)
        assert 200 < len(words) < 1000
        assert [word for word in words if split_words(word) != [word]] == [], language


@pytest.mark.parametrize(
    ("language", "sentence", "rest"),
    [
        ("en", "the cat has been sitting on its own under our tree", ["cat", "sitting", "tree"]),
        ("de", "die Katze hat auf dem Baum neben unserem Haus gesessen", ["katze", "baum", "haus", "gesessen"]),
        ("fr", "c'est le chat qui dort sous les arbres de notre jardin", ["chat", "dort", "arbres", "jardin"]),
        ("es", "el gato que duerme bajo los árboles de nuestro jardín", ["gato", "duerme", "árboles", "jardín"]),
        ("it", "il gatto che dorme sotto gli alberi del nostro giardino", ["gatto", "dorme", "alberi", "giardino"]),
        ("pt", "o gato que dorme sob as árvores do nosso jardim", ["gato", "dorme", "árvores", "jardim"]),
        ("nl", "de kat die onder de bomen van onze tuin slaapt", ["kat", "bomen", "tuin", "slaapt"]),
        ("sv", "katten som sover under träden i vår trädgård", ["katten", "sover", "träden", "trädgård"]),
        ("ru", "кошка которая спит под деревьями в нашем саду", ["кошка", "спит", "деревьями", "саду"]),
        ("pl", "kot który śpi pod drzewami w naszym ogrodzie", ["kot", "śpi", "drzewami", "ogrodzie"]),
    ],
)
def test_a_sentence_without_its_function_words_is_what_one_can_see(language, sentence, rest):
    assert [word for word in split_words(sentence) if word not in stop_words_of(language)] == rest


def test_languages_files_and_none_are_chosen_by_the_setting(tmp_path):
    assert choose_stop_words("none") == frozenset()
    assert choose_stop_words("de, en") == stop_words_of("de") | stop_words_of("en")
    own = tmp_path / "own.txt"
    own.write_text("\ufeffCat\n\nDon’t\n", encoding="utf-8")
    assert choose_stop_words(str(own)) == {"cat", "don't"}


def test_what_there_is_not_is_told(tmp_path):
    with pytest.raises(SettingsError, match='no list of stop words for "tlh".*de, en, es, fr, it, nl, pl, pt, ru, sv'):
        choose_stop_words("en,tlh")
    with pytest.raises(InputError, match="There is no file"):
        choose_stop_words(str(tmp_path / "nothing.txt"))
    (tmp_path / "x.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(InputError, match="no UTF-8"):
        choose_stop_words(str(tmp_path / "x.txt"))
