"""JPEGs whose end mark is missing: whole images are taken, cut ones are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.errors import ImageError
from clip_pipeline.images.download.check_photo import CheckedPhoto, RejectedPhoto, check_photo
from clip_pipeline.pixels.decode import decode
from clip_pipeline.pixels.headers.jpeg import SOS, segments_of
from clip_pipeline.settings import DownloadSettings
from clip_pipeline_tests.images.photos import scene
from clip_pipeline_tests.made.image_files import encoded

KINDS = {"sequential": {}, "without subsampling": {"subsampling": 0}, "progressive": {"progressive": True}}
END = b"\xff\xd9"
ENDS = {
    "no end mark": b"",
    "half of it": b"\xff",
    "a line end": b"\r\n",
    "zeros": bytes(100),
    "many zeros": bytes(5000),
    "ones": b"\xff" * 64,
    "an old end of file": b"\x1a",
}
SETTINGS = DownloadSettings(min_side=1, resize="shorter_side", image_size=64)


def jpeg(kind: str, mode: str = "RGB", seed: int = 3, size: tuple[int, int] = (61, 47)) -> bytes:
    return encoded(scene(seed, size=size).convert(mode), "JPEG", **KINDS[kind])


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ENDS)
def test_an_image_that_is_all_there_is_taken(end, kind, mode):
    whole = jpeg(kind, mode)
    assert np.array_equal(decode(whole[:-2] + ENDS[end]).rows_HW3, decode(whole).rows_HW3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["", "zeros", "ones"])
def test_an_image_that_is_cut_is_refused_wherever_that_is(end, kind):
    """Also where a cut file is filled up: Pillow takes padding for pixels. A cut may cost no pixel where it takes bits that fill the last byte."""
    whole = jpeg(kind)
    first = next(start for marker, start, _ in segments_of(whole, 2) if marker == SOS)
    pixels = decode(whole).rows_HW3
    refused = 0
    for at in [*range(first + 20, len(whole) - 2, 37), *range(len(whole) - 12, len(whole) - 2)]:
        try:
            found = decode(whole[:at] + ENDS.get(end, b""))
        except ImageError:
            refused += 1
        else:
            assert np.array_equal(found.rows_HW3, pixels), f"cut at byte {at} of {len(whole)}"
    assert refused > 10


def test_a_progressive_image_that_lacks_its_last_scans_is_refused_as_long_as_its_end_mark_is_missing_too():
    whole = jpeg("progressive")
    scans = [start for marker, start, _ in segments_of(whole, 2) if marker == SOS]
    assert len(scans) == 10
    blurred = whole[: scans[6]]
    assert not np.array_equal(decode(blurred + END).rows_HW3, decode(whole).rows_HW3), "whoever ends it so means it so"
    for end in ENDS.values():
        with pytest.raises(ImageError):
            decode(blurred + end)


def test_an_image_of_several_scans_lacks_none_of_its_colours():
    rows = np.zeros((16, 16, 3), np.uint8)
    whole = encoded(Image.fromarray(rows), "JPEG")
    start = next(start for marker, start, _ in segments_of(whole, 2) if marker == SOS)
    one_component = whole[:start] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + whole[start + 14 :]
    with pytest.raises(ImageError):
        decode(one_component[:-2])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ENDS)
def test_a_download_keeps_its_scans_and_gets_its_mark(end, kind):
    whole = jpeg(kind)
    kept = check_photo(whole, SETTINGS)
    mended = check_photo(whole[:-2] + ENDS[end], SETTINGS)
    assert isinstance(kept, CheckedPhoto) and isinstance(mended, CheckedPhoto)
    assert mended.stored.endswith(END) and np.array_equal(np.asarray(mended.image), np.asarray(kept.image))
    if end in ("no end mark", "half of it"):
        assert mended.stored == kept.stored
    original = check_photo(whole[:-2] + ENDS[end], DownloadSettings(min_side=1, resize="original"))
    assert isinstance(original, CheckedPhoto) and original.stored.endswith(END)
    with Image.open(io.BytesIO(original.stored)) as image:
        image.load()


def test_a_large_download_is_looked_at_whole_before_it_is_made_small():
    whole = jpeg("sequential", size=(1280, 960))
    assert isinstance(check_photo(whole[:-2], SETTINGS), CheckedPhoto)
    cut = check_photo(whole[:-40] + bytes(300), SETTINGS)
    assert (
        isinstance(cut, RejectedPhoto) and cut.status == "broken_image" and "its last pixels are missing" in cut.message
    )
