"""Photos that crash or hang their decoder cost nobody else anything."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from pathlib import Path

import pytest

from clip_pipeline.errors import DecoderError
from clip_pipeline.images.download.check_photo import check_photo
from clip_pipeline.images.download.decode_pool import DecodePool
from clip_pipeline.images.download.decode_worker import serve
from clip_pipeline.images.download.journal import Entry, Journal
from clip_pipeline.settings import DownloadSettings
from clip_pipeline_tests.images.bad_decoders import CRASH, HANG, HUNGRY, LOUD, ONCE, WRONG
from clip_pipeline_tests.images.photos import jpeg, scene

SETTINGS = DownloadSettings(image_size=32, min_side=16, max_pixels=1_000_000)
BAD = "clip_pipeline_tests.images.bad_decoders:"


def decode_all(
    folder: Path, contents: list[bytes], decoders: DecodePool, settings: DownloadSettings = SETTINGS
) -> list[dict | None]:
    """The attempt of each photo, None where its decoder crashed twice or took too long."""
    found: dict[int, Entry | None] = {}
    journal = Journal(folder)
    with decoders.job(folder, settings) as job:
        for number, content in enumerate(contents):
            about = json.dumps({"id": str(number), "url": "u"}).encode()
            job.submit(about, content, lambda entry, number=number: found.update({number: entry}))
        job.wait()
    attempts = []
    for number in range(len(contents)):
        entry = found[number]
        if entry is not None:
            journal.add((str(number), "u"), entry)
        attempts.append(None if entry is None else journal.read((str(number), "u"))[0])
        assert entry is None or attempts[-1]["id"] == str(number)
    journal.close()
    return attempts


def decoded(folder: Path, contents: list[bytes], **options) -> list[dict | None]:
    """`decode_all` by processes of its own."""
    with DecodePool(**options) as decoders:
        return decode_all(folder, contents, decoders)


GOOD = [jpeg(scene(seed)) for seed in range(30)]


@pytest.mark.slow
def test_photos_that_crash_their_decoder_leave_all_others_unharmed(tmp_path):
    contents = list(GOOD)
    for place in (0, 9):
        contents[place] += CRASH
    attempts = decoded(tmp_path, contents, workers=2, check=BAD + "check")
    for place, attempt in enumerate(attempts):
        assert (attempt is None) == (place in (0, 9))
        assert attempt is None or attempt["status"] == "success"


@pytest.mark.slow
def test_a_photo_that_hangs_its_decoder_is_ended_by_the_clock(tmp_path):
    contents = [*GOOD[:3], GOOD[3] + HANG, *GOOD[4:8]]
    started = time.monotonic()
    attempts = decoded(tmp_path, contents, workers=2, check=BAD + "check", seconds=1)
    assert [attempt is None for attempt in attempts] == [place == 3 for place in range(8)]
    assert time.monotonic() - started < 60


@pytest.mark.slow
def test_a_photo_is_tried_again_when_its_decoder_died_of_something_else(tmp_path):
    contents = [*GOOD[:2], GOOD[2] + ONCE + os.fsencode(tmp_path / "seen"), *GOOD[3:6]]
    attempts = decoded(tmp_path / "journal", contents, workers=1, check=BAD + "check")
    assert [attempt["status"] for attempt in attempts] == ["success"] * 6


@pytest.mark.slow
def test_a_decoder_that_wants_too_much_memory_gets_none(tmp_path):
    attempts = decoded(tmp_path, [GOOD[0], GOOD[1] + HUNGRY, GOOD[2]], workers=1, check=BAD + "check")
    assert attempts[0]["status"] == attempts[2]["status"] == "success"
    assert attempts[1] is None or attempts[1]["status"] == "broken_image"


@pytest.mark.slow
def test_what_libraries_say_of_a_photo_is_not_heard_but_our_own_mistakes_are(tmp_path, capfd):
    attempts = decoded(tmp_path, [GOOD[0] + LOUD, GOOD[1] + WRONG, GOOD[2]], workers=1, check=BAD + "check")
    assert [attempt is None for attempt in attempts] == [False, True, False]
    heard = capfd.readouterr().err
    assert "your photo is bad" not in heard
    assert "a mistake of ours" in heard


def test_a_decoder_whose_sender_is_gone_ends_without_a_word():
    heard, answers = os.pipe()
    os.close(heard)
    serve(io.BytesIO(), answers, check_photo, 1)
    os.close(answers)


def test_a_decoder_that_cannot_start_is_an_error_of_ours(tmp_path, capfd):
    with pytest.raises(DecoderError, match="No process that decodes photos can be started"):
        decoded(tmp_path, GOOD[:3], workers=2, check=BAD + "broken_from_the_start")
    assert "cannot even start" in capfd.readouterr().err


def test_a_journal_that_cannot_be_written_is_the_disk_s_error(tmp_path):
    with DecodePool(1, check=BAD + "light") as decoders, pytest.raises(OSError, match="No such file"):
        job = decoders.job(tmp_path / "nowhere", SETTINGS)
        job.submit(b'{"id": "a", "url": "u"}', GOOD[0], lambda entry: None)
        job.wait()


@pytest.mark.slow
def test_a_failure_is_told_to_the_one_who_waits_though_another_job_has_begun(tmp_path):
    with DecodePool(1, check=BAD + "light") as decoders:
        job = decoders.job(tmp_path / "nowhere", SETTINGS)
        with pytest.raises(OSError, match="No such file"):
            while True:
                job.submit(b'{"id": "a", "url": "u"}', GOOD[0], lambda entry: None)
        told: list[OSError] = []

        def wait() -> None:
            try:
                job.wait()
            except OSError as error:
                told.append(error)

        with decoders.job(tmp_path, SETTINGS) as next_job:
            waiting = threading.Thread(target=wait, daemon=True)
            waiting.start()
            waiting.join(60)
            assert told
            next_job.submit(b'{"id": "b", "url": "u"}', GOOD[0], lambda entry: None)
            next_job.wait()


@pytest.mark.slow
def test_idle_workers_go_home_and_come_back(tmp_path):
    done = threading.Event()
    journal = Journal(tmp_path)
    with (
        DecodePool(2, check=BAD + "light", idle_seconds=0.2) as decoders,
        decoders.job(journal.folder, SETTINGS) as job,
    ):
        for _ in range(2):
            done.clear()
            job.submit(b'{"id": "a", "url": "u"}', GOOD[0], lambda entry: done.set())
            assert done.wait(60)
            families = list(decoders.families)
            for family in families:
                assert family.wait(60) == 0
    assert len(families) == 1


@pytest.mark.slow
def test_many_threads_may_hand_over_photos_of_several_shards(tmp_path):
    with DecodePool(2) as decoders:
        folders = [tmp_path / str(number) for number in range(4)]
        counts = [0] * 4

        def run(number: int) -> None:
            Journal(folders[number])
            with decoders.job(folders[number], SETTINGS) as job:
                for place, content in enumerate(GOOD):
                    about = json.dumps({"id": str(place), "url": str(number)}).encode()
                    job.submit(about, content, lambda entry: counts.__setitem__(number, counts[number] + 1))
                job.wait()

        threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number, folder in enumerate(folders):
            journal = Journal(folder)
            assert all((str(place), str(number)) in journal for place in range(len(GOOD)))
            journal.close()
