"""A JPEG of which nothing but the mark at its end is missing gets it: libjpeg, browsers and cameras' own software take such files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clip_pipeline.pixels.headers.jpeg import END_MARK, MARK, JpegHeader
from clip_pipeline.pixels.headers.jpeg_scans import are_all_there

PADDING = b"\0\xff\r\n \x1a"
"""Bytes that programs fill files up with."""

PADDING_BYTES = [bytes([one]) for one in PADDING]

COARSEST = 8
"""Times that each side is reduced where it is only asked whether all bytes are there: they are read all the same."""


def with_end(header: JpegHeader) -> JpegHeader:
    """The header with the mark at the end of its bytes, and without padding in its place, where each scan decodes to its last pixel; the same
    one where the mark is there, or more than that is wrong.

    Costs a decoding of the file at an eighth of its size where the mark is missing, and a search from its end otherwise. Raises ValueError
    for a file that is cut and filled up with padding, which decoders take for the missing pixels.
    """
    if header.has_end or not are_all_there(header):
        return header
    wrong: dict[int, str] = {}
    for padding in _padding(header.original):
        content, original = (_ended(one, padding) for one in (header.content, header.original))
        wrong[padding] = _what_is_wrong(content, header)
        if not wrong[padding]:
            return replace(header, content=content, original=original)
    most = max(wrong)
    if most and "premature end" in wrong[most]:
        raise ValueError(
            f"image file is truncated: its last pixels are missing, and its last {most:,} bytes look like padding"
        )
    return header


def _padding(content: bytes) -> Iterator[int]:
    """How many bytes at the end may be none of the image: all that look so; or those of one kind, as data may end like padding does (with
    0xff 0x00, which is one byte, or a single one of any other kind). A byte 0 alone is none of the data: zeros are read as pixels."""
    size, last = len(content), content[-1:]
    same = len(content.rstrip(last)) if last in PADDING_BYTES else size
    if last == b"\0" and content[same - 1] == MARK:
        same += 1
    lengths = [len(content.rstrip(PADDING)), same]
    if same == size - 1 and last != b"\0":
        lengths.append(size)
    yield from dict.fromkeys(size - length for length in lengths)


def _ended(content: bytes, padding: int) -> bytes:
    return content[: len(content) - padding] + END_MARK


def _what_is_wrong(content: bytes, header: JpegHeader) -> str:
    """What libjpeg says of the file, in its words: a pixel is missing, there are bytes too many; "" for nothing."""
    import simplejpeg

    try:
        _, _, colours, _ = simplejpeg.decode_jpeg_header(content)
        simplejpeg.decode_jpeg(
            content,
            "CMYK" if colours in ("CMYK", "YCCK") else "RGB",
            min_height=-(-header.height // COARSEST),
            min_width=-(-header.width // COARSEST),
        )
    except ValueError as error:
        return str(error)
    return ""
