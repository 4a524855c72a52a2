"""Valid pairs of photo and caption, and the split."""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.display.left_out import SETTING_OF
from clip_pipeline.errors import PhotosError, SettingsError
from clip_pipeline.images.caption_rules import count_words, main_script, may_be_in
from clip_pipeline.images.dedupe import THUMBNAIL_BYTES
from clip_pipeline.images.pairs import build_pairs
from clip_pipeline.records import IMAGE_TEXT_PAIRS, SHARD_ATTEMPTS
from clip_pipeline.settings import PairsSettings
from clip_pipeline.settings.fields import find_field
from clip_pipeline_tests.images.photos import photo, shuffled

SETTINGS = PairsSettings()


def attempt(photo_id: str, **fields: Any) -> dict[str, Any]:
    """A stored photo that looks like no other, unless `fields` say so."""
    digest = hashlib.sha256(photo_id.encode())
    signatures = np.random.default_rng(list(digest.digest()))
    own = {
        **{"words": [], "shard": "00000", "key": f"key {photo_id}", "status": "success"},
        **{"captions": [f"a photo called {photo_id}"], "width": 64, "height": 48, "sha256": digest.hexdigest()},
        **{"phash": int(signatures.integers(0, 2**63)), "thumbnail": signatures.bytes(THUMBNAIL_BYTES)},
    }
    return photo(photo_id, **{**own, **fields})


def table_of(*attempts: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(attempts), schema=SHARD_ATTEMPTS)


def pairs_of(*attempts: dict[str, Any], settings: PairsSettings = SETTINGS, clean=str.strip) -> tuple[list[dict], dict]:
    table, dropped = build_pairs([table_of(*attempts)], settings, clean)
    assert table.schema == IMAGE_TEXT_PAIRS
    return table.to_pylist(), dropped


def split_of(rows: list[dict]) -> dict[str, str]:
    return {row["photo_id"]: row["split"] for row in rows}


def test_each_caption_of_a_photo_is_a_row_with_the_place_of_the_photo():
    rows, dropped = pairs_of(attempt("b", captions=["a red cup", "cup on a table"], shard="00003", key="000030007"))
    assert [(row["caption_index"], row["caption"]) for row in rows] == [(0, "a red cup"), (1, "cup on a table")]
    split = rows[0]["split"]
    assert rows[0] == {
        **{"photo_id": "b", "shard": "00003", "key": "000030007", "caption_index": 0, "caption": "a red cup"},
        **{"split": split, "group": "b", "width": 64, "height": 48},
    }
    assert not any(dropped.values())


def test_photos_that_failed_and_captions_that_are_too_short_are_dropped_with_reasons():
    failed = {"sha256": None, "phash": None, "thumbnail": None, "width": None, "height": None}
    rows, dropped = pairs_of(
        attempt("a", captions=["cup", "a red cup", "", "tea  "]),
        attempt("b", captions=["cup"]),
        attempt("c", captions=[]),
        attempt("d", status="not_found", **failed),
        attempt("e", status="not_found", **failed),
        attempt("f", status="broken_image", **failed),
    )
    assert [(row["photo_id"], row["caption_index"], row["caption"]) for row in rows] == [("a", 0, "a red cup")]
    assert {reason: count for reason, count in dropped.items() if count} == {
        "caption too_few_words": 4,
        "photo without caption": 2,
        "photo not_found": 2,
        "photo broken_image": 1,
    }


def test_captions_are_cleaned_before_they_are_counted_and_equal_ones_are_kept_once():
    rows, _ = pairs_of(
        attempt("a", captions=["A Cup!", "a cup", "<b> cup"]), clean=lambda text: text.lower().strip("!")
    )
    assert [row["caption"] for row in rows] == ["a cup", "<b> cup"]


def test_the_least_number_of_words_is_a_setting():
    rows, _ = pairs_of(attempt("a", captions=["one two three", "one two"]), settings=PairsSettings(min_caption_words=3))
    assert [row["caption"] for row in rows] == ["one two three"]


def test_nothing_left_is_a_sentence():
    with pytest.raises(PhotosError, match="No valid pair .*photo not_found.*Look at the statuses of image_shards"):
        build_pairs([table_of(attempt("a", status="not_found"))], SETTINGS, str)
    with pytest.raises(PhotosError, match="No valid pair"):
        build_pairs([], SETTINGS, str)
    short = PairsSettings(min_caption_words=3)
    with pytest.raises(PhotosError, match=r"pairs.min_caption_words decides: change it, or the captions\.$"):
        build_pairs([table_of(attempt("a", captions=["cat"]))], short, str)
    with pytest.raises(PhotosError, match=r"pairs.min_caption_words decides.*statuses of image_shards for the others"):
        build_pairs([table_of(attempt("a", captions=["cat"]), attempt("b", status="not_found"))], short, str)


def many(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [attempt(f"photo-{number:04d}", **fields) for number in range(count)]


def test_near_duplicates_share_a_split_and_the_name_of_the_smallest_id():
    settings = PairsSettings(test_percent=40, validation_percent=20)
    attempts = many(60)
    for left, right in zip(attempts[::2], attempts[1::2], strict=True):
        right |= {"phash": left["phash"] ^ 0b1011, "thumbnail": left["thumbnail"]}
    rows, _ = pairs_of(*reversed(attempts), settings=settings)
    assert len(rows) == 60
    splits = split_of(rows)
    assert set(splits.values()) == {"train", "validation", "test"}
    groups = {row["photo_id"]: row["group"] for row in rows}
    for left, right in zip(attempts[::2], attempts[1::2], strict=True):
        assert splits[left["id"]] == splits[right["id"]]
        assert groups[left["id"]] == groups[right["id"]] == left["id"]


def test_more_bits_than_the_setting_are_two_photos():
    left = attempt("a")
    right = attempt("b", phash=left["phash"] ^ 0b1111, thumbnail=left["thumbnail"])
    for bits, groups in [(4, ["a", "a"]), (3, ["a", "b"])]:
        rows, _ = pairs_of(left, right, settings=PairsSettings(duplicate_bits=bits))
        assert [row["group"] for row in rows] == groups


def test_the_source_s_own_split_wins_whatever_the_percentages():
    given = ["train", "validation", "test"] * 10
    attempts = [row | {"split": split} for row, split in zip(many(30), given, strict=True)]
    rows, _ = pairs_of(*attempts, settings=PairsSettings(test_percent=50, validation_percent=50))
    assert split_of(rows) == {row["id"]: row["split"] for row in attempts}


def test_of_a_group_that_the_source_split_only_the_later_split_stays():
    alike = {"phash": 77, "thumbnail": bytes(THUMBNAIL_BYTES)}
    rows, dropped = pairs_of(
        attempt("a", split="train", **alike),
        attempt("b", split="test", **alike),
        attempt("c", split="validation", **alike),
        attempt("d", split="test", **alike),
    )
    assert split_of(rows) == {"b": "test", "d": "test"}
    assert {row["group"] for row in rows} == {"a"}
    assert dropped["photo near_duplicate_in_test"] == 2
    rows, _ = pairs_of(attempt("b", split="validation", **alike), attempt("c", split="train", **alike))
    assert split_of(rows) == {"b": "validation"}


def test_photos_that_the_source_put_nowhere_do_not_enter_its_test_set():
    half = PairsSettings(test_percent=50, validation_percent=50)
    rows, _ = pairs_of(attempt("a", split="test"), attempt("b", split="validation"), *many(20), settings=half)
    assert Counter(split_of(rows).values()) == {"test": 1, "validation": 1, "train": 20}
    rows, _ = pairs_of(attempt("a", split="test"), *many(20), settings=half)
    assert set(split_of(rows).values()) == {"test", "validation", "train"}
    assert Counter(split_of(rows).values())["test"] == 1


def test_an_unknown_split_of_the_source_counts_as_none():
    rows, _ = pairs_of(attempt("a", split="dev"))
    assert split_of(rows) == split_of(pairs_of(attempt("a"))[0])


def test_exact_duplicates_are_kept_once_by_the_smallest_id():
    copied = {"sha256": "same", "phash": 5, "thumbnail": bytes(THUMBNAIL_BYTES)}
    rows, dropped = pairs_of(attempt("c", **copied), attempt("a", **copied), attempt("b", **copied), attempt("d"))
    assert [(row["photo_id"], row["caption_index"], row["caption"]) for row in rows] == [
        ("a", 0, "a photo called a"),
        ("a", 1, "a photo called b"),
        ("a", 2, "a photo called c"),
        ("d", 0, "a photo called d"),
    ]
    assert dropped["photo exact_duplicate"] == 2


def test_exact_duplicates_inside_a_group_that_another_photo_names_are_kept_once():
    alike = {"phash": 5, "thumbnail": bytes(THUMBNAIL_BYTES)}
    rows, dropped = pairs_of(
        attempt("a", **alike), attempt("b", **alike, sha256="same"), attempt("c", **alike, sha256="same")
    )
    assert [(row["photo_id"], row["group"], row["caption"][-1]) for row in rows] == [
        ("a", "a", "a"),
        ("b", "a", "b"),
        ("b", "a", "c"),
    ]
    assert dropped["photo exact_duplicate"] == 1


def test_of_two_copies_in_two_splits_the_tested_one_stays():
    copied = {"sha256": "same", "phash": 5, "thumbnail": bytes(THUMBNAIL_BYTES)}
    rows, _ = pairs_of(attempt("a", split="train", **copied), attempt("b", split="test", **copied))
    assert split_of(rows) == {"b": "test"}


def test_new_photos_move_no_other_photo_to_another_split():
    attempts = many(300)
    before = split_of(pairs_of(*attempts[::2])[0])
    after = split_of(pairs_of(*attempts)[0])
    assert {name: after[name] for name in before} == before


def test_the_seed_changes_the_split_and_only_that():
    attempts = many(300)
    first, second = (pairs_of(*attempts, settings=PairsSettings(seed=seed))[0] for seed in (0, 1))
    assert split_of(first) != split_of(second)
    assert [row | {"split": ""} for row in first] == [row | {"split": ""} for row in second]


@pytest.mark.slow
def test_the_shares_of_the_splits_are_near_the_percentages():
    rows, _ = pairs_of(*many(3000), settings=PairsSettings(validation_percent=10, test_percent=20))
    counts = Counter(split_of(rows).values())
    assert counts["test"] == pytest.approx(600, abs=90)  # four standard deviations
    assert counts["validation"] == pytest.approx(300, abs=66)
    assert counts["train"] == 3000 - counts["test"] - counts["validation"]


def test_zero_percent_is_none_at_all():
    rows, _ = pairs_of(*many(300), settings=PairsSettings(validation_percent=0, test_percent=0))
    assert set(split_of(rows).values()) == {"train"}


def test_the_order_of_shards_and_rows_changes_nothing():
    attempts = many(80)
    attempts[7] |= {"phash": attempts[30]["phash"], "thumbnail": attempts[30]["thumbnail"]}
    attempts[8] |= {"sha256": attempts[50]["sha256"]}
    whole = table_of(*attempts)
    expected, dropped = build_pairs([whole], SETTINGS, str)
    for tables in ([shuffled(whole, 3)], [whole.slice(50), whole.slice(0, 50)]):
        found, again = build_pairs(tables, SETTINGS, str)
        assert found == expected
        assert again == dropped
    ids = list(zip(expected["photo_id"].to_pylist(), expected["caption_index"].to_pylist(), strict=True))
    assert ids == sorted(ids)


def test_captions_of_a_copy_in_another_split_do_not_enter_the_test_set():
    copied = {"sha256": "same", "phash": 5, "thumbnail": bytes(THUMBNAIL_BYTES)}
    rows, _ = pairs_of(attempt("a", split="train", **copied), attempt("b", split="test", **copied))
    assert [row["caption"] for row in rows] == ["a photo called b"]


def reasons_of(*attempts: dict[str, Any], **settings: Any) -> tuple[list[str], dict[str, int]]:
    rows, dropped = pairs_of(*attempts, settings=PairsSettings(**settings))
    return sorted({row["photo_id"] for row in rows}), {reason: count for reason, count in dropped.items() if count}


def test_photos_of_the_wrong_size_shape_or_full_of_text_are_dropped_with_reasons():
    sized = [
        attempt("small", original_width=99, original_height=500),
        attempt("long", original_width=1000, original_height=300),
        attempt("page", original_width=400, original_height=300, text_share=0.6),
        attempt("good", original_width=400, original_height=300, text_share=0.1),
        attempt("unknown"),
    ]
    kept, reasons = reasons_of(*sized, min_side=100, max_aspect=3, max_text_share=0.3)
    assert kept == ["good", "unknown"]
    assert reasons == {"photo small": 1, "photo long_and_narrow": 1, "photo mostly_text": 1}
    assert reasons_of(*sized) == (sorted(row["id"] for row in sized), {})


def test_captions_with_too_many_words_or_another_script_are_dropped_with_reasons():
    told = [
        attempt("a", captions=["one two three four", "one two"]),
        attempt("b", captions=["красная чашка", "a чашка красная"]),
        attempt("c", captions=["赤い カップ", "42 1000"]),
    ]
    kept, reasons = reasons_of(*told, max_caption_words=3, caption_script="latin")
    assert kept == ["a"]
    assert reasons == {"caption too_many_words": 1, "caption other_script": 4, "photo without caption": 2}
    assert reasons_of(*told, caption_script="cyrillic")[0] == ["b"]


def test_captions_in_another_language_are_dropped_and_those_without_function_words_believed():
    told = [
        attempt("en", captions=["a dog that is on the beach with its ball"]),
        attempt("de", captions=["ein Hund, der mit dem Ball auf der Wiese ist"]),
        attempt("short", captions=["red cup"]),
    ]
    assert reasons_of(*told, caption_language="en") == (
        ["en", "short"],
        {"caption other_language": 1, "photo without caption": 1},
    )
    assert reasons_of(*told, caption_language="de")[0] == ["de", "short"]
    with pytest.raises(SettingsError, match='caption_language is "xx".*lists for .*de, en'):
        reasons_of(*told, caption_language="xx")


def test_a_caption_of_many_photos_is_dropped_from_all_of_them():
    told = [attempt(f"p{n}", captions=["Image may contain", f"photo number {n}"]) for n in range(4)]
    told.append(attempt("q", captions=["image MAY contain", "image MAY contain"]))
    kept, reasons = reasons_of(*told, max_caption_photos=4)
    assert kept == ["p0", "p1", "p2", "p3"]
    assert reasons == {"caption on_many_photos": 5, "photo without caption": 1}
    assert len(reasons_of(*told, max_caption_photos=5)[0]) == 5


def test_the_pairs_are_the_same_bytes_whatever_the_order_of_the_shards(tmp_path):
    attempts = many(60)
    attempts[7] |= {"sha256": attempts[50]["sha256"]}
    whole = table_of(*attempts)
    written = []
    for number, tables in enumerate(([whole], [whole.slice(40), whole.slice(0, 40)], [shuffled(whole, 3)])):
        table, _ = build_pairs(tables, PairsSettings(max_caption_photos=3), str)
        path = tmp_path / f"{number}.parquet"
        pq.write_table(table, path)
        written.append(path.read_bytes())
    assert written[0] == written[1] == written[2]


def test_real_english_captions_are_in_english_and_in_latin_letters(shared_data):
    with tarfile.open(shared_data("flickr8k_orig_1000.tar")) as tar:
        member = next(entry for entry in tar if entry.name.endswith("captions.txt"))
        lines = tar.extractfile(member).read().decode().splitlines()[:3000]
    captions = [re.split(r"[\t,|]", line, maxsplit=1)[-1] for line in lines]
    assert sum(may_be_in(caption, "en") for caption in captions) > 0.99 * len(captions)
    assert all(main_script(caption) == "latin" for caption in captions if any(map(str.isalpha, caption)))


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("a red cup", 3),
        ("don't e-mail me", 3),
        ("a - b", 3),
        ("", 0),
        ("кошка на столе", 3),
        ("강아지가 잔디에서 달린다", 3),
        ("سگ در چمن", 3),
        ("एक लाल कप", 3),
        ("一只棕色的狗", 6),
        ("一个 人 骑 自行车", 7),
        ("草の上を走る犬", 7),
        ("イヌ", 2),
        ("iPhone手机", 3),
        ("3只狗", 3),
        ("หมา", 3),
        ("ໝາແດງ", 5),
        ("ឆ្កែក្រហម", 6),
        ("ခွေးနီ", 2),
        ("犬", 1),
        ("!?", 1),
    ],
)
def test_words_are_counted_by_script(caption, words):
    assert count_words(caption) == words


def test_the_most_words_of_a_caption_are_its_characters_only_where_it_has_no_spaces():
    captions = ["一只棕色的狗", "赤い カップ", "二只狗"]
    rows, _ = pairs_of(attempt("a", captions=captions), settings=PairsSettings(max_caption_words=4))
    assert [row["caption"] for row in rows] == captions[1:]


def test_captions_without_spaces_are_kept_and_what_is_left_out_is_said(caplog):
    captions = ["一只棕色的狗在草地上奔跑", "二只狗", "หมาวิ่งบนสนามหญ้า", "cup", "ball", "犬"]
    rows, dropped = pairs_of(attempt("a", captions=captions))
    assert [row["caption"] for row in rows] == captions[:3]
    assert dropped.by_settings() == [("caption too_few_words", 3, "pairs.min_caption_words", "cup")]
    dropped.say("the pairs")
    assert 'Left out of the pairs: 3 of "caption too_few_words" (pairs.min_caption_words), such as "cup"' in caplog.text


def test_what_settings_leave_out_of_photos_has_an_example_too():
    settings = PairsSettings(min_side=50, max_caption_photos=1, caption_script="latin", max_caption_words=4)
    _, dropped = pairs_of(
        attempt("a", original_width=64, original_height=48),
        attempt(
            "b", original_width=64, original_height=64, captions=["a fine photo", "a cup on a table", "красная чашка"]
        ),
        attempt("c", original_width=64, original_height=64, captions=["A fine photo", "a ball of wool"]),
        settings=settings,
    )
    assert sorted(dropped.by_settings()) == [
        ("caption on_many_photos", 2, "pairs.max_caption_photos", "a fine photo"),
        ("caption other_script", 1, "pairs.caption_script", "красная чашка"),
        ("caption too_many_words", 1, "pairs.max_caption_words", "a cup on a table"),
        ("photo small", 1, "pairs.min_side", "a"),
    ]


def test_where_nothing_is_left_the_setting_that_took_most_is_named():
    with pytest.raises(
        PhotosError, match=r'No valid pair .*2 are of "caption too_few_words", such as "cup", which pairs\.min'
    ):
        pairs_of(attempt("a", captions=["cup", "ball"]))


def test_every_reason_with_a_setting_names_one_that_there_is():
    for name in SETTING_OF.values():
        assert find_field(name).help
