"""Batches through the real loader: from stored images and straight from shards."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.errors import PhotosError, TrainingError
from clip_pipeline.images.shards.tar import write_shard
from clip_pipeline.pixels.decode import decode
from clip_pipeline.pixels.resize import fit_square
from clip_pipeline.training.data.augmentation import NO_AUGMENTATION, Augmentation
from clip_pipeline.training.data.batches import Batches
from clip_pipeline.training.data.decoded_images import StoredImages, store_images
from clip_pipeline.training.data.image_format import ImageFormat
from clip_pipeline.training.data.loader import BATCHES_AHEAD, Loader
from clip_pipeline.training.data.pair_reader import PairReader
from clip_pipeline.training.data.shard_images import ShardPhotos, StreamedImages
from clip_pipeline.training.data.undecodable_images import (
    UndecodableImages,
    publish_undecodable_images,
    read_undecodable_images,
)
from clip_pipeline_tests.training.caption_tables import make_caption_table
from clip_pipeline_tests.training.conftest import Images

PLAIN, VARIED = NO_AUGMENTATION, Augmentation(crop_scale=0.5, flip=True, color_jitter=0.2)
SEED = 3
FORMAT = ImageFormat(20, "squash")
COUNT = 96


def photo(number: int) -> bytes:
    """A photo whose colours tell its number."""
    pixels = np.full((18, 22, 3), (number % 8 * 30, number // 8 * 20, 128), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


class Shards:
    """Four tars of photos in the order of their ids; some of the photos are broken."""

    def __init__(self, folder: Path, broken: dict[int, bytes] | None = None):
        self.ids = [f"photo{number:03d}" for number in range(COUNT)]
        self.contents = {photo_id: photo(number) for number, photo_id in enumerate(self.ids)}
        self.contents |= {self.ids[number]: content for number, content in (broken or {}).items()}
        places = {photo_id: (f"{number // 24:05d}", photo_id) for number, photo_id in enumerate(self.ids)}
        self.tars = {f"{shard:05d}": folder / f"{shard:05d}.tar" for shard in range(4)}
        for shard, path in self.tars.items():
            keys = [photo_id for photo_id in self.ids if places[photo_id][0] == shard]
            write_shard(path, [(key, {"jpg": self.contents[key], "txt": key.encode()}) for key in keys])
        self.photos = ShardPhotos(self.tars, places)
        captions = [[f"photo {number}", "one of many"][: 1 + number % 2] for number in range(COUNT)]
        self.table = make_caption_table(captions, np.zeros((sum(map(len, captions)), 4), np.int32))

    def streamed(self) -> StreamedImages:
        return StreamedImages(self.photos, self.ids, FORMAT)


@pytest.fixture
def shards(tmp_path) -> Shards:
    return Shards(tmp_path)


def batches_of(
    source,
    table,
    augmentation=PLAIN,
    steps=range(18),
    workers=1,
    share=slice(None),
    undecodable_images=None,
    size=20,
    batch_size=8,
    captions=1,
):
    reader = PairReader(source, table, (size, size), workers=workers, undecodable_images=undecodable_images)
    batches = Batches(table, batch_size, SEED)
    with Loader(reader, batches, steps[-1] + 1, share, augmentation, captions) as loader:
        found = [(batch.images.copy(), batch.captions.copy()) for batch in map(loader.batch, steps)]
    return found if captions > 1 else [(images, captions[:, 0]) for images, captions in found]


def same(ones, others) -> bool:
    return all(
        np.array_equal(a, b) for one, other in zip(ones, others, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(("augmentation", "size"), [(PLAIN, 20), (PLAIN, 16), (VARIED, 16)])
def test_stored_and_streamed_batches_are_the_same_whatever_the_number_of_threads(shards, tmp_path, augmentation, size):
    store_images(shards.contents.items(), shards.ids, FORMAT, tmp_path)
    stored = batches_of(StoredImages(tmp_path, shards.ids, FORMAT), shards.table, augmentation, size=size)
    for workers in (1, 4):
        assert same(stored, batches_of(shards.streamed(), shards.table, augmentation, workers=workers, size=size))


def test_every_image_is_that_of_its_caption(shards):
    for images, captions in batches_of(shards.streamed(), shards.table):
        photos = np.searchsorted(shards.table.first, captions, "right") - 1
        expected = [fit_square(decode(photo(int(number))), ImageFormat(20, "squash").square) for number in photos]
        assert np.array_equal(images, expected)


@pytest.mark.parametrize("way", ["stored", "streamed"])
def test_any_step_can_be_the_first_one(shards, tmp_path, way):
    """Resuming, to the sample: also in the middle of an epoch, and after a step that is asked for twice."""
    if way == "stored":
        store_images(shards.contents.items(), shards.ids, FORMAT, tmp_path)
    source = StoredImages(tmp_path, shards.ids, FORMAT) if way == "stored" else shards.streamed()
    whole = batches_of(source, shards.table, VARIED, range(30), size=16)
    assert same(whole[17:], batches_of(source, shards.table, VARIED, range(17, 30), workers=3, size=16))
    assert same([whole[9], whole[9], whole[4]], batches_of(source, shards.table, VARIED, [9, 9, 4], size=16))


@pytest.mark.parametrize("captions", [1, 2])
def test_shares_of_several_processes_make_up_the_batch(shards, captions):
    """With two, every other photo has the same second caption: all of them in a batch give way, whatever process shows them."""
    whole = batches_of(shards.streamed(), shards.table, VARIED, size=16, captions=captions)
    parts = [
        batches_of(shards.streamed(), shards.table, VARIED, share=share, size=16, captions=captions)
        for share in (slice(0, 4), slice(4, 8))
    ]
    joined = [tuple(np.concatenate(pair) for pair in zip(*both, strict=True)) for both in zip(*parts, strict=True)]
    assert same(whole, joined)


@pytest.mark.slow
def test_the_order_has_nothing_to_do_with_the_place_in_the_shards():
    """References shuffled within a buffer, or not at all."""
    count = 20_000
    table = make_caption_table([[str(row)] for row in range(count)], np.zeros((count, 1), np.int32))
    for seed in range(3):
        batches = Batches(table, 100, seed)
        order = np.concatenate([batches.pairs(step)[0] for step in range(200)])
        assert sorted(order) == list(range(count))
        noise = 4 / np.sqrt(count)
        assert abs(np.corrcoef(order, np.arange(count))[0, 1]) < noise
        assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < noise
        shards = (order // 1000).reshape(200, 100)
        assert np.mean([len(set(row)) for row in shards.tolist()]) > 18.5, "nearly all of 20 shards are in each batch"


def test_no_periodicity_on_sorted_shards_through_the_loader(shards):
    """The brightness of the photos rises through the shards; that of the batches neither rises nor repeats itself."""
    epoch = COUNT // 4
    found = batches_of(shards.streamed(), shards.table, PLAIN, range(8 * epoch), batch_size=4)
    means = np.array([images[..., 1].mean() for images, _ in found])
    rest = means - means.mean()
    for lag in (1, epoch // 4, epoch):
        assert abs(np.corrcoef(rest[:-lag], rest[lag:])[0, 1]) < 4 / np.sqrt(len(rest)), lag
    expected = np.array([[number // 8 * 20 for number in range(start, start + 4)] for start in range(0, COUNT, 4)])
    assert np.corrcoef(np.tile(expected.mean(1), 8)[:-epoch], np.tile(expected.mean(1), 8)[epoch:])[0, 1] > 0.99


class Counted(Images):
    """Counts the images that were read."""

    reads = 0

    def read_into(self, row: int, image: np.ndarray) -> None:
        self.reads += 1
        super().read_into(row, image)


def test_only_a_few_batches_are_read_ahead_and_their_memory_is_used_again():
    table = make_caption_table([[str(row)] for row in range(400)], np.zeros((400, 1), np.int32))
    source = Counted(np.zeros((400, 8, 8, 3), np.uint8))
    reader = PairReader(source, table, (8, 8))
    addresses = set()
    with Loader(reader, Batches(table, 8, 0), 50) as loader:
        for step in range(50):
            addresses.add(loader.batch(step).images.ctypes.data)
            assert source.reads <= 8 * (step + 1 + BATCHES_AHEAD)
    assert len(addresses) <= BATCHES_AHEAD + 1
    assert source.reads == 400


def test_opening_a_set_and_taking_batches_needs_no_memory_for_the_set(tmp_path):
    """80 MB of images, and far fewer in memory."""
    import tracemalloc

    ids = [f"{row:04d}" for row in range(400)]
    content = photo(0)
    store_images(((photo_id, content) for photo_id in ids), ids, ImageFormat(256, "squash"), tmp_path)
    table = make_caption_table([[photo_id] for photo_id in ids], np.zeros((400, 1), np.int32))
    tracemalloc.start()
    batches_of(StoredImages(tmp_path, ids, ImageFormat(256, "squash")), table, PLAIN, range(2), size=256)
    with Loader(
        PairReader(StoredImages(tmp_path, ids, ImageFormat(256, "squash")), table, (256, 256)),
        Batches(table, 8, 0),
        50,
    ) as loader:
        for step in range(50):
            loader.batch(step)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "images.npy").stat().st_size > 78e6
    assert peak < 10e6


# ---- photos that cannot be decoded


BROKEN = {5: b"no image", 6: photo(6)[:200], 50: b"\xff\xd8 cut"}


def test_a_bad_photo_is_replaced_by_the_next_good_one_and_named(tmp_path):
    shards = Shards(tmp_path, BROKEN)
    runs = []
    for workers in (1, 3):
        work = tmp_path / f"work{workers}"
        work.mkdir()
        bad = UndecodableImages(work, COUNT, 5.0)
        found = batches_of(shards.streamed(), shards.table, VARIED, range(12), workers, undecodable_images=bad, size=16)
        runs.append((found, bad.path.read_bytes()))
    assert same(runs[0][0], runs[1][0]) and runs[0][1] == runs[1][1]
    noted = read_undecodable_images(tmp_path / "work1" / "undecodable_images.csv")
    assert sorted(bad.photo_id for bad in noted) == ["photo005", "photo006", "photo050"]
    batches = Batches(shards.table, 8, SEED)
    for bad in noted:
        assert f"Photo {bad.photo_id} in 0000" in bad.reason and "cannot be decoded" in bad.reason
        planned, _ = batches.pairs(bad.step)
        captions = runs[0][0][bad.step][1]
        photos = np.searchsorted(shards.table.first, captions, "right") - 1
        number = int(bad.photo_id[5:])
        place = planned.tolist().index(number)
        further = next(k for k in range(1, COUNT) if (number + k) % COUNT not in {*planned.tolist(), *BROKEN})
        assert shards.ids[photos[place]] == bad.replaced_by == shards.ids[(number + further) % COUNT]
        assert len(set(shards.table.text_ids[captions].tolist())) == 8, "no caption twice, here too"


def test_without_a_record_a_bad_photo_is_an_error(tmp_path):
    shards = Shards(tmp_path, {5: b"no image"})
    with pytest.raises(PhotosError, match="Photo photo005 in 00000.tar cannot be decoded"):
        batches_of(shards.streamed(), shards.table, steps=range(12))


def test_too_many_undecodable_images_stop_the_run(tmp_path):
    shards = Shards(tmp_path, BROKEN)
    with pytest.raises(
        TrainingError, match=r"2 of 96 photos cannot be decoded, more than training.max_undecodable_percent \(2\)"
    ):
        batches_of(
            shards.streamed(), shards.table, steps=range(12), undecodable_images=UndecodableImages(tmp_path, COUNT, 2.0)
        )


def test_a_resumed_record_repeats_no_row(tmp_path):
    shards = Shards(tmp_path, BROKEN)
    whole = UndecodableImages(tmp_path, COUNT, 5.0)
    batches_of(shards.streamed(), shards.table, steps=range(24), undecodable_images=whole)
    undisturbed = whole.path.read_bytes()
    resumed = UndecodableImages(tmp_path, COUNT, 5.0)
    resumed.go_on_at(7)
    assert all(bad.step < 7 for bad in read_undecodable_images(whole.path))
    batches_of(shards.streamed(), shards.table, steps=range(7, 24), undecodable_images=resumed)
    assert resumed.path.read_bytes() == undisturbed
    (tmp_path / "model").mkdir()
    assert publish_undecodable_images(tmp_path, tmp_path / "model") == 3
    assert len(read_undecodable_images(tmp_path / "model" / "undecodable_images.csv")) == 6


# ---- tars


def test_a_cut_an_absent_and_a_shrunken_tar_get_a_sentence(shards, tmp_path):
    path = shards.tars["00002"]
    whole = path.read_bytes()
    source = shards.streamed()
    path.write_bytes(whole[:3000])
    with pytest.raises(PhotosError, match=r"00002.tar is no whole tar .* Make or download it again"):
        shards.streamed()
    with pytest.raises(TrainingError, match="00002.tar became shorter while it was read"):
        batches_of(source, shards.table)
    path.unlink()
    with pytest.raises(PhotosError, match="00002.tar does not exist. Materialise image_shards again"):
        shards.streamed()


def test_a_photo_that_is_in_no_shard_gets_a_sentence(shards):
    photos = ShardPhotos(shards.tars, shards.photos.place_of | {"photo000": ("00000", "nosuch")})
    with pytest.raises(TrainingError, match="1 of 96 photos of the pairs are not in the shards, such as photo000"):
        StreamedImages(photos, shards.ids, FORMAT)
