"""Which members of a tar belong to one sample: webdataset's rule, and names in which dots are no ends of keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.formats.tar_members import TarPlace
from clip_pipeline.sources.photos.names import PHOTO_ENDINGS

TAR_PHOTO_ENDINGS = tuple(ending.removeprefix(".") for ending in PHOTO_ENDINGS)

REPEATED = "member of a name that came before"
HIDDEN = "photo with a hidden name"

Members = dict[str, TarPlace]


class TarIndex(dict[str, Members]):
    """Places by key and ending, in the order of the tar (`by_sample`). left_out: members that were not taken."""

    def __init__(self, samples: Mapping[str, Members], left_out: LeftOut | None = None):
        super().__init__(samples)
        self.left_out = left_out or LeftOut()

    def count_lost(self, tar: str, counts: LeftOut) -> None:
        """Counts the members that were not taken, and the samples without a photo. tar: its name."""
        counts.take(self.left_out)
        without = [key for key, members in self.items() if not photo_place(members)]
        if without:
            endings = ", ".join(self[without[0]])
            counts.add("sample without photo", len(without), f"{tar}: {without[0]} ({endings[:40]})")


def by_sample(members: Iterable[tuple[str, TarPlace]], left_out: LeftOut | None = None) -> TarIndex:
    """Names and places as webdataset groups them: the key is the name up to the first dot of its last part.

    Where that leaves photos without their texts the dots belong to the names (`22.05.png`, `img.0.jpg`), and the key runs up to
    the last one. The first member of a name wins, as it does for a reader that goes through the tar once; left_out counts the others.
    """
    lost = LeftOut() if left_out is None else left_out
    index: dict[str, Members] = {}
    dotted: set[str] = set()
    for name, place in members:
        key, ending = _split(name)
        if not key:
            hidden = name.rpartition("/")[2]
            if ending in TAR_PHOTO_ENDINGS and not hidden.startswith("._"):
                lost.add(HIDDEN, 1, name)
            continue
        if "." in ending:
            dotted.add(key)
        of_key = index.setdefault(key, {})
        if ending in of_key:
            lost.add(REPEATED, 1, name)
        else:
            of_key[ending] = place
    if dotted:
        index = {
            found: one
            for key, of_key in index.items()
            for found, one in (_samples_of(key, of_key) if key in dotted else {key: of_key}).items()
        }
    return TarIndex(index, lost)


def _split(name: str) -> tuple[str, str]:
    """(key, ending) of a member; of an ending with dots in it only what follows the last one is in lower case. A hidden name has no
    key, and what follows its last dot."""
    folder, slash, base = name.rpartition("/")
    key, _, ending = base.partition(".")
    stem, dot, last = ending.rpartition(".")
    return (f"{folder}{slash}{key}", f"{stem}{dot}{last.lower()}") if key else ("", last.lower())


def _samples_of(key: str, members: Members) -> dict[str, Members]:
    """The samples in what webdataset takes for one, where some of its endings hold dots.

    `22.05.png` and `22.05.txt` are the sample `22.05`; `m.image.jpg` and `m.caption.txt` are `m`; `n.0.jpg`, `n.1.jpg` and `n.txt` are
    two samples with one text. Beside `a.jpg` stands `a.mask.png`, which is part of `a`, but `a.b.jpg` with `a.b.txt` is a sample.
    """
    by_stem: dict[str, Members] = {}
    for ending, place in members.items():
        stem, _, last = ending.rpartition(".")
        by_stem.setdefault(stem, {}).setdefault(last, place)
    direct = by_stem.get("", {})
    pictured = [stem for stem, of_stem in by_stem.items() if stem and photo_place(of_stem)]
    if photo_place(direct):
        own = [stem for stem in pictured if len(by_stem[stem]) > 1]
        rest = {ending.lower(): place for ending, place in members.items() if ending.rpartition(".")[0] not in own}
        return {key: rest} | {f"{key}.{stem}": by_stem[stem] for stem in own}
    shared = {
        last: place for stem, of_stem in by_stem.items() if stem not in pictured for last, place in of_stem.items()
    }
    if not pictured:
        return {key: {ending.lower(): place for ending, place in members.items()}}
    if len(pictured) == 1 and (shared or len(by_stem[pictured[0]]) == 1):
        return {key: by_stem[pictured[0]] | shared}
    return {f"{key}.{stem}": shared | by_stem[stem] for stem in pictured}


def split_member_name(name: str) -> tuple[str, str]:
    """(key, ending in lower case) of a member: the key runs up to the first dot of the last part of the path."""
    folder, slash, base = name.rpartition("/")
    key, _, ending = base.partition(".")
    return (f"{folder}{slash}{key}", ending.lower()) if key else ("", "")


def photo_ending(members: Collection[str]) -> str:
    """The ending of the photo among those of a sample, whatever kind it is stored in. Raises PhotosError without one."""
    for ending in TAR_PHOTO_ENDINGS:
        if ending in members:
            return ending
    raise PhotosError(
        f"A sample holds no photo, only {', '.join(members)}. Expected one of {', '.join(TAR_PHOTO_ENDINGS)}."
    )


def photo_place(members: Mapping[str, TarPlace]) -> TarPlace | None:
    """Where the photo of a sample lies, None where it has none."""
    return next((members[ending] for ending in TAR_PHOTO_ENDINGS if ending in members), None)
