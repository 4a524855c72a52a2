from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from clip_pipeline.embedding.photo_stream import embed_blocks
from clip_pipeline.errors import ImageError, ModelError, ShapeError
from clip_pipeline.pixels.preprocess import Preprocessing


class Numbers(Preprocessing):
    """Photos are numbers written in text; each becomes an image of one pixel."""

    def __init__(self):
        super().__init__(None, [], None)

    def image(self, content):
        if not content.isdigit():
            raise ImageError(f"{content!r} is no number")
        number = int(content)
        time.sleep(0.002 * (number % 3))  # threads finish in another order than they began
        return torch.tensor([float(number)])


class Same:
    """The vector of an image is the image."""

    name = "same"

    def __init__(self):
        self.batches: list[int] = []

    def encode_images(self, pixels):
        self.batches.append(len(pixels))
        return pixels.numpy()


def numbers(count: int):
    return [(f"n{number}", b"x" if number == 7 else str(number).encode()) for number in range(1, count + 1)]


@pytest.mark.parametrize("device", ["cpu", "cuda"])  # cuda: decoding goes on beside the model
@pytest.mark.parametrize("workers", [1, 5])
def test_ids_stay_beside_their_vectors_in_the_order_of_the_photos(device, workers):
    blocks = list(embed_blocks(Same(), Numbers(), numbers(50), 8, 20, device, workers))
    assert [len(block.ids) + len(block.failures) for block in blocks] == [20, 20, 10]
    ids = [one for block in blocks for one in block.ids]
    vectors = np.concatenate([block.matrix_ND for block in blocks])[:, 0]
    assert ids == [one for one, _ in numbers(50) if one != "n7"]
    assert [f"n{int(value)}" for value in vectors] == ids
    assert [failure[0] for block in blocks for failure in block.failures] == ["n7"]


def test_batches_do_not_depend_on_where_blocks_were_finished_before():
    whole, rest = Same(), Same()
    list(embed_blocks(whole, Numbers(), numbers(60), 8, 20))
    list(embed_blocks(rest, Numbers(), numbers(60)[20:], 8, 20))
    assert rest.batches == whole.batches[-len(rest.batches) :]


def test_no_photo_is_read_long_before_it_is_wanted():
    seen: list[int] = []
    lock = threading.Lock()

    def photos():
        for number in range(1, 401):

            def content(number: int = number) -> bytes:
                with lock:
                    seen.append(number)
                return str(number).encode()

            yield f"n{number}", content

    stream = embed_blocks(Same(), Numbers(), photos(), 8, 16, "cuda", 2)
    next(stream)
    assert len(seen) <= 16 + 2 * 8
    stream.close()


def test_a_file_that_has_gone_is_a_photo_that_failed():
    def gone():
        raise FileNotFoundError(2, "No such file or directory")

    (block,) = embed_blocks(Same(), Numbers(), [("a", gone), ("b", b"3")], 8, None)
    assert block.failures == [("a", "missing_file", "No such file or directory")]
    assert block.ids == ["b"]


class Faulty(Same):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def encode_images(self, pixels):
        return self.change(super().encode_images(pixels))


def test_a_runtime_that_loses_a_row_is_noticed():
    with pytest.raises(ShapeError, match=r"The runtime same gave an array of shape \(7, 1\) for 8 photos"):
        list(embed_blocks(Faulty(lambda rows: rows[1:]), Numbers(), numbers(6) + numbers(6)[:3], 8, None))


@pytest.mark.parametrize("bad", [np.nan, 0.0, np.inf])
def test_vectors_that_are_none_are_told(bad):
    with pytest.raises(ModelError, match="gives 8 of 8 photos a vector that is zero or not finite"):
        list(
            embed_blocks(Faulty(lambda rows: np.full_like(rows, bad)), Numbers(), numbers(6) + numbers(6)[:3], 8, None)
        )


def test_images_that_came_for_other_photos_are_noticed(monkeypatch):
    """The assertion at the join of photos and images, with a fault put in by hand: two threads' answers are swapped."""
    from clip_pipeline.embedding import photo_stream

    right = photo_stream._prepare

    def swapped(photo_id, content, preprocessing):
        return right({"n2": "n3", "n3": "n2"}.get(photo_id, photo_id), content, preprocessing)

    monkeypatch.setattr(photo_stream, "_prepare", swapped)
    with pytest.raises(ShapeError, match="The image of n3 came for n2"):
        list(embed_blocks(Same(), Numbers(), numbers(6), 8, None))
