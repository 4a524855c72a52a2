"""A search in photos of which it is known what they show."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from clip_pipeline.errors import InputError, SettingsError
from clip_pipeline.searching.answer import Answer
from clip_pipeline.searching.index import SearchIndex
from clip_pipeline.searching.query import parse_query
from clip_pipeline.searching.rank import search
from clip_pipeline.searching.relevance import Fit
from clip_pipeline_tests.made.search_index import NEVER, TextEncoder, made_index


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> SearchIndex:
    return made_index(tmp_path_factory.mktemp("search") / "index")


def ask(index: SearchIndex, line: str = "", top: int = 10, **options) -> Answer:
    given = {name: options.pop(name, ()) for name in ("like", "unlike", "filters")}
    return search(index, parse_query(line, **given), TextEncoder(), top, **options)


def shown(answer: Answer) -> set[tuple[str, ...]]:
    return {tuple(photo.facts["words"]) for photo in answer.photos}


def test_what_photos_show_is_found_and_called_strong(index):
    answer = ask(index, "a red star")
    assert shown(answer) == {("red", "star")}
    assert {photo.fit for photo in answer.photos} == {Fit.STRONG} and not answer.nothing
    count = sum("a red star" in captions for captions in index.facts.column("captions"))
    assert 0.5 * count < answer.fits[Fit.STRONG] + answer.fits[Fit.LIKELY] < 2 * count
    assert (
        answer.sentence().startswith(f"{answer.fits[Fit.STRONG]:,} strong") and "of 1,200 photos" in answer.sentence()
    )
    assert all(photo.better_than > 0.9 for photo in answer.photos)


def test_most_of_what_no_photo_shows_is_said_to_fit_nothing(index):
    answers = [ask(index, f"a {colour} {thing}") for colour, thing in sorted(NEVER)]
    nothing = [answer for answer in answers if answer.nothing]
    assert len(nothing) >= 0.75 * len(answers)
    for answer in nothing:
        assert {photo.fit for photo in answer.photos} == {Fit.NONE} and not any(answer.fits.values())
        assert "Nothing here fits, of 1,200 photos; what is shown is the nearest" in answer.sentence()
    (colour, thing), *_ = sorted(NEVER)
    assert answers[0].apart == (colour, thing) and f"hold {colour} and {thing} together" in answers[0].sentence()


def test_words_that_no_caption_of_the_training_holds_are_named(index):
    assert ask(index, "piano").nothing and not ask(index, "star").nothing
    answer = ask(index, "a piano under the red teapot")
    assert answer.unknown == ("piano", "under", "teapot")
    assert 'no caption of the training holds "piano", "under", "teapot"' in answer.sentence()


def test_filters_keep_what_they_say_and_nothing_else(index):
    answer = ask(index, "a red star word:cup", top=50)
    assert {words[1] for words in shown(answer)} == {"cup"} and answer.searched < answer.indexed == 1200
    assert f"of {answer.searched:,} of 1,200 photos" in answer.sentence()
    both = ask(index, "boat word:cup word:boat split:test licence:cc", top=50)
    assert {words[1] for words in shown(both)} == {"cup", "boat"}
    assert {photo.facts["split"] for photo in both.photos} == {"test"}
    assert {photo.facts["licence"] for photo in both.photos} == {"CC BY 4.0"}
    assert ask(index, "cup size:>9999").sentence().startswith("No photo of 1,200 is left by the filters")
    assert ask(index, "cup source:unsplash").searched == 300 and ask(index, "cup size:480").searched == 1200


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("cup word:piano", 'No photo has a caption with the word "piano"'),
        ("cup split:dev", r'No photo is of the split "dev"\. There are test, train'),
        ("cup source:flickr", r'No photo has "flickr" in its source\. There is folder'),
        ("cup size:large", r'"large" is no size\. Write the pixels'),
        ("photo:photo-9", r'There is no photo "photo-9" in the index\. Did you mean'),
    ],
)
def test_values_that_no_photo_has_are_sentences(index, line, sentence):
    with pytest.raises(SettingsError, match=sentence):
        ask(index, line)


def test_a_photo_finds_itself_first_and_its_near_duplicates_are_folded(index):
    answer = ask(index, like=["photo-00006"])
    assert answer.photos[0].id == "photo-00006" and answer.photos[0].alike == 1
    assert answer.photos[0].cosine == pytest.approx(1, abs=1e-4) and answer.photos[0].fit is None
    assert answer.sentence() == "The nearest of 1,200 photos"
    unfolded = ask(index, like=["photo-00006"], fold=False)
    assert [photo.id for photo in unfolded.photos[:2]] == ["photo-00006", "photo-00007"]


def test_a_file_is_looked_for_as_a_photo_and_what_is_neither_is_a_sentence(index, tmp_path):
    (tmp_path / "red_star.jpg").write_bytes(b"the made encoder reads its name")
    assert shown(ask(index, like=[str(tmp_path / "red_star.jpg")])) == {("red", "star")}
    with pytest.raises(SettingsError, match="There is no photo .* in the index, and no such file"):
        ask(index, like=[str(tmp_path / "lost.jpg")])


def test_a_photo_and_a_text_go_together_and_an_unwanted_text_is_left_out(index):
    row = index.facts.column("words").index(["red", "lamp"])
    red_lamp = index.facts.column("id")[row]
    mixed = ask(index, f"blue + photo:{red_lamp}", top=5)
    assert shown(mixed) == {("blue", "lamp")}
    stars = ask(index, "a star - red", top=40)
    assert {words[1] for words in shown(stars)} == {"star"} and ("red", "star") not in shown(stars)
    assert ("red", "star") in shown(ask(index, "a star", top=40))


def test_no_answer_shows_a_hidden_photo_nor_is_asked_for_one(index):
    first = ask(index, "a red star").photos[0].id
    hidden = ask(index, "a red star", hidden={first})
    assert first not in [photo.id for photo in hidden.photos] and hidden.searched == 1199
    with pytest.raises(SettingsError, match=f"The photo {first} was taken down"):
        ask(index, f"photo:{first}", hidden={first})


def test_the_answer_is_the_same_whatever_the_threads_and_after_opening_again(index):
    answers = [
        ask(index, "a red star - blue", top=30, threads=1),
        ask(SearchIndex(index.folder), "a red star - blue", top=30, threads=2),
    ]
    assert [[(photo.id, photo.score) for photo in answer.photos] for answer in answers][0] == [
        (photo.id, photo.score) for photo in answers[1].photos
    ]
    assert answers[0].fits == answers[1].fits


def test_the_same_photos_give_the_same_bytes(index, tmp_path):
    again = made_index(tmp_path / "again")
    for path in sorted(index.folder.iterdir()):
        assert path.read_bytes() == (again.folder / path.name).read_bytes(), path.name


def test_how_many_are_shown_has_limits(index):
    assert len(ask(index, "tree", top=10_000).photos) > 100
    for top in (0, 10_001):
        with pytest.raises(SettingsError, match="expected 1 to 10,000"):
            ask(index, "tree", top=top)


def test_a_foreign_folder_and_a_damaged_index_are_sentences(index, tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match=r"is no search index: it has no index\.json"):
        SearchIndex(tmp_path / "photos")
    copied = tmp_path / "copied"
    shutil.copytree(index.folder, copied)
    np.save(copied / "scales.npy", index.scales_N[:-1])
    with pytest.raises(InputError, match="different numbers of photos"):
        SearchIndex(copied)
    (copied / "codes.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"codes\.npy is damaged"):
        SearchIndex(copied)
    (copied / "index.json").write_text(json.dumps(index.about | {"version": 99}))
    with pytest.raises(InputError, match="of version 99, this program reads 1"):
        SearchIndex(copied)
