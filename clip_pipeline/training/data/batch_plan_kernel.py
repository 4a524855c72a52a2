"""The inner loop of planning an epoch, compiled once a machine. Imported inside functions: numba takes a third of a second."""

from __future__ import annotations

import functools

from numba import boolean, float64, int64, njit, void

from clip_pipeline.machine.numba_cache import cached


@cached(
    functools.partial(
        njit, int64(int64, int64[::1], int64[::1], float64[::1], int64[::1], int64), nogil=True, boundscheck=False
    )
)
def _free_caption(photo, first, text_ids, draws, text_seen, batch):
    """The drawn caption of a photo, or the next whose text is not in the batch; -1 where all of them are."""
    start, captions = first[photo], first[photo + 1] - first[photo]
    drawn = int64(draws[photo] * captions)
    for turn in range(captions):
        caption = start + (drawn + turn) % captions
        if text_seen[text_ids[caption]] != batch:
            return caption
    return -1


@cached(functools.partial(njit, void(int64, int64, int64, int64, *((int64[::1],) * 5)), nogil=True, boundscheck=False))
def _take(photo, caption, batch, place, text_ids, text_seen, photo_seen, photos, captions):
    text_seen[text_ids[caption]] = batch
    photo_seen[photo] = batch
    photos[place] = photo
    captions[place] = caption


@cached(
    functools.partial(
        njit,
        int64(int64[::1], int64[::1], int64[::1], float64[::1], int64, boolean, *((int64[::1],) * 5)),
        nogil=True,
        boundscheck=False,
    )
)
def plan_batches(
    order, first, text_ids, draws, batch_size, unavoidable, text_seen, photo_seen, waiting, photos, captions
):
    """Fills `photos` and `captions`, whole batches, as `batches.plan_epoch` says; returns the pairs of a batch that cannot be
    filled, or -1.

    order: the photos as chance put them. text_seen, photo_seen: the batch that a text or photo was last in, -1 at the start.
    waiting: room for as many photos as there are; those whose captions were all taken stand at its end, next one first.
    """
    count = len(order)
    place = 0  # of the next photo of the order
    front = count  # of the photos that wait
    for batch in range(len(photos) // batch_size):
        start = batch * batch_size
        size = 0
        back = (
            0  # photos put back in this batch, at the start of `waiting`; they never reach those that wait at its end
        )
        while size < batch_size and (front < count or place < count):
            if front < count:
                photo = waiting[front]
                front += 1
            else:
                photo = order[place]
                place += 1
            caption = _free_caption(photo, first, text_ids, draws, text_seen, batch)
            if caption < 0:
                waiting[back] = photo
                back += 1
            else:
                _take(photo, caption, batch, start + size, text_ids, text_seen, photo_seen, photos, captions)
                size += 1
        taken = 0
        if unavoidable:
            taken = min(back, batch_size - size)
            for i in range(taken):
                photo = waiting[i]
                caption = first[photo] + int64(draws[photo] * (first[photo + 1] - first[photo]))
                _take(photo, caption, batch, start + size, text_ids, text_seen, photo_seen, photos, captions)
                size += 1
        for i in range(back - 1, taken - 1, -1):
            front -= 1
            waiting[front] = waiting[i]
        if size < batch_size:
            for i in range(count):
                photo = order[i]
                if photo_seen[photo] == batch:
                    continue
                caption = _free_caption(photo, first, text_ids, draws, text_seen, batch)
                if caption >= 0:
                    _take(photo, caption, batch, start + size, text_ids, text_seen, photo_seen, photos, captions)
                    size += 1
                    if size == batch_size:
                        break
        if size < batch_size:
            return size
    return -1
