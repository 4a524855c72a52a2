"""What kind of image file some bytes are, by their beginning: a name or a header proves nothing."""

from __future__ import annotations

MAGIC_BYTES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
    **{start + space: "PPM" for start in (b"P5", b"P6") for space in (b"\n", b" ", b"\r", b"\t")},
}
"""The beginning of each kind, named as Pillow names its decoder."""

AVIF_BRANDS = frozenset((b"avif", b"avis"))

UNDECODABLE_BRANDS = dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "HEIC")
UNDECODABLE_BYTES = {
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": "JPEG XL",
    b"<svg": "SVG, a drawing without pixels",
    b"8BPS": "a Photoshop document",
    b"%PDF": "a PDF",
}
"""What is met among photos and has no decoder here."""


def image_kind(content: bytes) -> str | None:
    """JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, JPEG2000 or PPM by the first bytes; None for what is decoded nowhere here."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if not AVIF_BRANDS.isdisjoint(_brands(content)):
        return "AVIF"
    return next((kind for magic, kind in MAGIC_BYTES.items() if content.startswith(magic)), None)


def why_no_image(content: bytes) -> str:
    """What bytes are that no decoder takes, as far as their beginning says it."""
    if kind := image_kind(content):
        return f"it begins as {kind}, and what follows is damaged"
    found = next((name for brand, name in UNDECODABLE_BRANDS.items() if brand in _brands(content)), None)
    found = found or next((name for start, name in UNDECODABLE_BYTES.items() if content.startswith(start)), None)
    if found:
        return f"it is {found}, which is not decoded here"
    return f"the first bytes are {content[:16]!r}" if content else "it is empty"


def _brands(content: bytes) -> set[bytes]:
    """Of a file in the container that AVIF and HEIC share (ISO/IEC 14496-12): its major brand and those it says it fits."""
    if content[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(content[:4], "big"), 128)
    return {content[8:12], *(content[start : start + 4] for start in range(16, end, 4))}
