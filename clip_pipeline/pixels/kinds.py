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

UNDECODABLE_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "HEIC"),
    **dict.fromkeys((b"mif1", b"msf1"), "HEIF"),
    b"crx ": "a raw photo of a camera (CR3)",
    **dict.fromkeys((b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"M4V ", b"qt  "), "a video (MP4, QuickTime)"),
}
UNDECODABLE_BYTES = {
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": "JPEG XL",
    b"<svg": "SVG, a drawing without pixels",
    b"<?xml": "XML, such as a drawing in SVG",
    b"8BPS": "a Photoshop document",
    b"%PDF": "a PDF",
    b"\x00\x00\x01\x00": "ICO, an icon",
    b"qoif": "QOI",
    b"DDS ": "DDS",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"gimp xcf": "a GIMP document",
    b"FLIF": "FLIF",
    b"BPG\xfb": "BPG",
    b"AT&TFORM": "DjVu",
    b"SIMPLE  =": "FITS",
    b"FUJIFILMCCD-RAW": "a raw photo of a camera (RAF)",
    b"IIU\x00": "a raw photo of a camera (RW2)",
    b"IIRO": "a raw photo of a camera (ORF)",
    b"\x1aE\xdf\xa3": "a video (WebM, Matroska)",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "packed with gzip",
    **{
        start: "a bitmap of Netpbm's other kinds"
        for start in (b"P1\n", b"P2\n", b"P3\n", b"P4\n", b"P7\n", b"PF\n", b"Pf\n")
    },
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
    if found is None and content[-18:] == b"TRUEVISION-XFILE.\0":
        found = "TGA"
    if found:
        return f"it is {found}, which is not decoded here"
    if content[:300].lstrip(b" \t\r\n\xef\xbb\xbf").lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page (HTML)"
    return f"the first bytes are {content[:16]!r}" if content else "it is empty"


def _brands(content: bytes) -> set[bytes]:
    """Of a file in the container that AVIF and HEIC share (ISO/IEC 14496-12): its major brand and those it says it fits."""
    if content[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(content[:4], "big"), 128)
    return {content[8:12], *(content[start : start + 4] for start in range(16, end, 4))}
