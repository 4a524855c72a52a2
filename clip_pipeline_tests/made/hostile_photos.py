"""Images made to take memory or time, or to carry something in: small files, written byte by byte, the same in every run.

python -m clip_pipeline_tests.made.hostile_photos FOLDER
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from clip_pipeline_tests.made.image_files import bare_png, encoded

SIDE = 10_000
"""Of the images of 100 million pixels: as many as downloads allow."""


def segment(marker: int, body: bytes) -> bytes:
    """One segment of a JPEG."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def chunk(name: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def photo(width: int = 96, height: int = 72, mode: str = "RGB") -> Image.Image:
    """Soft colours without chance."""
    across, down = np.arange(width) * 255 // width, np.arange(height) * 255 // height
    red, green = np.broadcast_arrays(across[None, :], down[:, None])
    return Image.fromarray(np.dstack([red, green, (red + green) // 2]).astype(np.uint8)).convert(mode)


# ---- JPEG


def jpeg_with(*segments: bytes, size: tuple[int, int] = (96, 72)) -> bytes:
    """A JPEG with segments behind its start."""
    content = encoded(photo(*size), "JPEG")
    return b"".join((content[:2], *segments, content[2:]))


def sized(content: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame header says another size."""
    at = next(place for place in range(len(content)) if content[place : place + 2] in (b"\xff\xc0", b"\xff\xc2"))
    return content[: at + 5] + struct.pack(">HH", height, width) + content[at + 9 :]


def many_scans(scans: int, width: int, height: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    content = encoded(photo(), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return sized(content[:last] + content[last:-2] * scans + b"\xff\xd9", width, height)


def scans_of_one_component(scans: int, width: int, height: int) -> bytes:
    """A baseline JPEG, one component a scan, the first of them again and again."""
    content = encoded(photo(), "JPEG", subsampling=0)
    at = content.index(b"\xff\xda")
    scan = b"".join(b"\xff\xda\x00\x08\x01" + bytes((n, 0, 0, 63, 0)) + b"\x00" * 40 for n in (1, 2, 3))
    return sized(content[:at] + scan * scans + b"\xff\xd9", width, height)


def exif_of_itself(entries: int, region: int) -> bytes:
    """EXIF whose every tag names the same bytes as its value."""
    head = 8 + 2 + 12 * entries + 4
    tags = b"".join(struct.pack("<HHII", 0x100 + n, 7, region, head) for n in range(entries))
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", entries) + tags + b"\0\0\0\0" + bytes(region)


def exif_in_a_circle() -> bytes:
    """Folders of tags that lead to one another."""
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, 8) for tag in (0x8769, 0x8825, 0xA005, 0x014A))
    return b"Exif\0\0II*\0\x08\0\0\0\x04\0" + tags + b"\x08\0\0\0"


def jpegs() -> dict[str, bytes]:
    small = encoded(photo(), "JPEG")
    progressive = encoded(photo(), "JPEG", progressive=True)
    print_colours = encoded(photo(mode="CMYK"), "JPEG", progressive=True)
    exif = b"".join(segment(0xE1, b"Exif\0\0" + part) for part in cut(exif_of_itself(40_000, 500_000)[6:], 60_000))
    return {
        "8000_scans.jpg": many_scans(8000, 2000, 1500),
        "101_scans.jpg": many_scans(101, 64, 64),
        "60_scans_of_100_million.jpg": many_scans(60, SIDE, SIDE),
        "3000_baseline_scans.jpg": scans_of_one_component(1000, 2000, 2000),
        "progressive_for_print_of_100_million.jpg": sized(print_colours, SIDE, SIDE),
        "progressive_of_100_million.jpg": sized(progressive, SIDE, SIDE),
        "cut_of_100_million.jpg": sized(small, SIDE, SIDE),
        "65500_x_65500.jpg": sized(small, 65500, 65500),
        "of_no_height.jpg": sized(small, 96, 0),
        "a_second_frame.jpg": small[: (at := small.index(b"\xff\xda"))] + frame(9000, 9000) + small[at:],
        "100_000_comments.jpg": jpeg_with(segment(0xFE, b"") * 100_000),
        "comments_of_20_MB.jpg": jpeg_with(segment(0xFE, bytes(65_533)) * 320),
        "comments_between_scans.jpg": between_scans(progressive, segment(0xFE, b"") * 100_000),
        "all_tables_again.jpg": jpeg_with(segment(0xDB, bytes(1) + bytes([16]) * 64) * 15_000),
        "exif_of_itself.jpg": jpeg_with(segment(0xE1, exif_of_itself(4_000, 17_000))),
        "exif_of_gigabytes.jpg": jpeg_with(exif),
        "exif_in_a_circle.jpg": jpeg_with(segment(0xE1, exif_in_a_circle())),
        "profile_of_nothing.jpg": jpeg_with(
            *(segment(0xE2, b"ICC_PROFILE\0" + bytes((n, 255)) + bytes(60_000)) for n in range(1, 256))
        ),
        "multi_picture_of_billions.jpg": jpeg_with(segment(0xE2, multi_picture(0xFFFFFFFF))),
        "restart_after_each_block.jpg": jpeg_with(segment(0xDD, b"\0\1")) + bytes(range(0xD0, 0xD8)) * 10_000,
        "fill_bytes.jpg": small[:2] + b"\xff" * 5_000_000 + small[2:],
        "stray_bytes.jpg": small[:2] + b"\xff\0" * 2_500_000 + small[2:],
        "no_end.jpg": small[:-200],
        "only_a_beginning.jpg": small[:20],
        "a_film_behind_it.jpg": small + b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 10_000,
        "twelve_bits.jpg": small.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"),
        "lossless.jpg": small.replace(b"\xff\xc0", b"\xff\xc3"),
        "arithmetic_of_100_million.jpg": sized(small, SIDE, SIDE).replace(b"\xff\xc0", b"\xff\xc9"),
        "255_components.jpg": small[: small.index(b"\xff\xc0")]
        + frame(4000, 4000, 255)
        + small[small.index(b"\xff\xda") :],
    }


def cut(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


def frame(width: int, height: int, components: int = 3) -> bytes:
    """A frame header."""
    body = b"".join(bytes((n % 256, 0x44, 0)) for n in range(1, components + 1))
    return segment(0xC0, struct.pack(">BHHB", 8, height, width, components) + body)


def between_scans(content: bytes, what: bytes) -> bytes:
    """Puts `what` before the last scan."""
    at = content.rindex(b"\xff\xda")
    return content[:at] + what + content[at:]


def multi_picture(images: int) -> bytes:
    """The index of a multi-picture JPEG (CIPA DC-007) that says how many there are."""
    tags = struct.pack("<HHII", 0xB001, 4, 1, images) + struct.pack("<HHII", 0xB002, 7, 0xFFFFFFFF, 50)
    return b"MPF\0II*\0\x08\0\0\0\x02\0" + tags + b"\0\0\0\0" + bytes(64)


# ---- PNG


def png_with(*chunks: bytes) -> bytes:
    """A PNG with chunks behind its header."""
    content = encoded(photo(), "PNG")
    return b"".join((content[:33], *chunks, content[33:]))


def zeros(count: int) -> bytes:
    """zlib's stream of that many zeros, a thousandth of their size: one compressed piece, over and over."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(count % 1_000_000)) + packer.flush()
    return b"".join((b"\x78\xda", piece * (count // 1_000_000), rest, struct.pack(">HH", count % 65521, 1)))


def whole_png(
    width: int, height: int, color: int, depth: int, row_bytes: int, *more: bytes, interlaced: int = 0
) -> bytes:
    """A PNG that holds all of its pixels, which are zeros."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    palette = (chunk(b"PLTE", bytes(range(256)) * 3),) if color == 3 else ()
    parts = (chunk(b"IHDR", header), *palette, *more, chunk(b"IDAT", zeros((row_bytes + 1) * height)))
    return b"".join((b"\x89PNG\r\n\x1a\n", *parts, chunk(b"IEND", b"")))


def pngs() -> dict[str, bytes]:
    inflated = zeros(200_000_000)
    text = chunk(b"zTXt", b"Comment\0\0" + inflated)
    small = encoded(photo(), "PNG")
    idat = small.index(b"IDAT") - 4
    size = struct.unpack(">I", small[idat : idat + 4])[0]
    data = small[idat + 8 : idat + 8 + size]
    return {
        "rgba_of_100_million.png": whole_png(SIDE, SIDE, 6, 8, 4 * SIDE),
        "palette_of_100_million.png": whole_png(SIDE, SIDE, 3, 8, SIDE, chunk(b"tRNS", bytes(128))),
        "one_bit_of_100_million.png": whole_png(SIDE, SIDE, 0, 1, SIDE // 8),
        "gray_of_16_bits.png": whole_png(SIDE, SIDE, 0, 16, 2 * SIDE),
        "colours_of_16_bits.png": bare_png(SIDE, SIDE, 6, 16),
        "interlaced.png": whole_png(SIDE, SIDE, 2, 8, 3 * SIDE, interlaced=1),
        "4_billion_squared.png": bare_png(0xFFFFFFFF, 0xFFFFFFFF, 6),
        "one_row_of_3_million.png": whole_png(3_000_000, 33, 0, 8, 3_000_000),
        "a_profile_that_inflates.png": png_with(chunk(b"iCCP", b"icc\0\0" + inflated)),
        "a_text_that_inflates.png": png_with(text),
        "100_texts_that_inflate.png": png_with(*[text] * 20),
        "xmp_that_inflates.png": png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + inflated)),
        "text_of_20_MB.png": png_with(chunk(b"tEXt", b"Comment\0" + bytes(20_000_000))),
        "100_000_chunks.png": png_with(chunk(b"teST", b"") * 100_000),
        "pixels_in_single_bytes.png": small[:idat]
        + b"".join(chunk(b"IDAT", bytes((byte,))) for byte in data + bytes(60_000))
        + small[-12:],
        "exif_of_itself.png": png_with(chunk(b"eXIf", exif_of_itself(40_000, 500_000)[6:])),
        "more_pixels_than_it_says.png": bare_png(64, 64, 2, 8, bytes(50_000_000)),
        "an_animation_of_billions.png": png_with(chunk(b"acTL", struct.pack(">II", 0xFFFFFFFF, 0))),
        "a_chunk_of_4_GB.png": small[:33] + struct.pack(">I", 0xFFFFFFF0) + b"zTXt" + small[33:],
        "cut.png": small[: len(small) // 2],
    }


# ---- WebP, GIF


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of those chunks."""
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def one_color(width: int, height: int) -> tuple[bytes, bytes]:
    """Black in lossless WebP: five codes of one symbol each, so that a pixel takes no bit at all."""
    bits = (width - 1) | (height - 1) << 14
    for number in range(
        5
    ):  # after 28 bits of size, 4 of alpha and version, and 3 that say no transform, cache or groups
        bits |= 0b0001 << (35 + 4 * number)
    return b"VP8L", b"\x2f" + bits.to_bytes(8, "little")


def extended(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    """The chunk that says the size of the canvas."""
    return b"VP8X", bytes((flags, 0, 0, 0)) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def frames(count: int, image: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """The frames of an animation, all the same."""
    inner = image[0] + struct.pack("<I", len(image[1])) + image[1] + b"\0" * (len(image[1]) % 2)
    head = bytes(6) + (15).to_bytes(3, "little") * 2 + (10).to_bytes(3, "little") + b"\0"
    return [(b"ANIM", bytes(6)), *[(b"ANMF", head + inner)] * count]


def webps() -> dict[str, bytes]:
    small = encoded(photo(16, 16), "WEBP", lossless=True)
    image = (b"VP8L", small[20 : 20 + struct.unpack("<I", small[16:20])[0]])
    lossy = encoded(photo(16, 16), "WEBP")
    at = lossy.index(b"\x9d\x01\x2a") + 3
    return {
        "of_100_million.webp": riff(one_color(SIDE, SIDE)),
        "canvas_of_16384_squared.webp": riff(extended(1 << 24, 1 << 24), image),
        "canvas_of_80_million.webp": riff(extended(9000, 9000, 2), *frames(1, image)),
        "10_000_frames.webp": riff(extended(16, 16, 2), *frames(10_000, image)),
        "100_000_frames.webp": riff(extended(16, 16, 2), *frames(100_000, image)),
        "10_000_frames_of_50_million.webp": riff(extended(7000, 7000, 2), *frames(10_000, image)),
        "says_16383_squared.webp": lossy[:at] + struct.pack("<HH", 16383, 16383) + lossy[at + 4 :],
        "exif_of_itself.webp": riff(extended(16, 16, 8), image, (b"EXIF", exif_of_itself(40_000, 500_000))),
        "100_000_chunks.webp": riff(extended(16, 16), *[(b"XXXX", b"")] * 100_000, image),
        "a_chunk_of_4_GB.webp": small[:16] + b"\xff\xff\xff\xff" + small[20:],
    }


def gif(width: int, height: int, *blocks: bytes, image: tuple[int, int] = (16, 16)) -> bytes:
    """A GIF with a canvas of that size, and blocks before its only image."""
    small = encoded(photo(*image, mode="P"), "GIF")
    flags = small[10]
    colors = small[13 : 13 + 3 * (2 << (flags & 7))]
    image = small[small.index(b",", 13 + len(colors)) :]
    head = b"GIF89a" + struct.pack("<HH", width, height) + small[10:13] + colors
    return b"".join((head, *blocks, image))


def gifs() -> dict[str, bytes]:
    comment = b"\x21\xfe" + (b"\xff" + bytes(255)) * 60_000 + b"\0"
    big = gif(16, 16)
    at = big.index(b",", 13 + 3 * (2 << (big[10] & 7)))
    return {
        "canvas_of_65535_squared.gif": gif(65535, 65535),
        "canvas_of_100_million.gif": gif(SIDE, SIDE),
        "frame_larger_than_its_canvas.gif": big[: at + 5] + struct.pack("<HH", 60_000, 60_000) + big[at + 9 :],
        "a_comment_of_15_MB.gif": gif(96, 72, comment, image=(96, 72)),
        "comments_of_single_bytes.gif": gif(96, 72, b"\x21\xfe" + b"\1x" * 1_000_000 + b"\0", image=(96, 72)),
        "100_000_extensions.gif": gif(96, 72, b"\x21\xf9\x04\0\0\0\0\0" * 100_000, image=(96, 72)),
        "10_000_frames.gif": gif(96, 72, image=(96, 72))[:-1] + gif(96, 72, image=(96, 72))[at:-1] * 3000 + b";",
        "cut.gif": big[: at + 4],
    }


# ---- TIFF, BMP, PPM


def tiff_of(tags: list[tuple[int, int, int, int]], behind: bytes = b"", next_folder: int = 0) -> bytes:
    """A TIFF of tags: number, type, count, value or place."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + struct.pack("<I", next_folder) + behind


def tiff_tags(
    width: int, height: int, compression: int = 1, bits: int = 8, samples: int = 1
) -> list[tuple[int, int, int, int]]:
    return [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, compression), (262, 3, 1, 1)),
        (277, 3, 1, samples),
    ]


def tiffs() -> dict[str, bytes]:
    strip = [(273, 4, 1, 200), (278, 4, 1, 1 << 31), (279, 4, 1, 1000)]
    packed = zeros(100_000_000)
    deflated = [(273, 4, 1, 200), (278, 4, 1, SIDE), (279, 4, 1, len(packed))]
    tiles = [(322, 4, 1, 65_536), (323, 4, 1, 65_536), (324, 4, 1, 200), (325, 4, 1, 1000)]
    many = tiff_tags(96, 72) + [(1000 + n, 1, 500_000, 200) for n in range(40_000)]
    folder = tiff_tags(96, 72) + [(273, 4, 1, 200), (278, 4, 1, 72), (279, 4, 1, 6912)]
    return {
        "of_4_billion_squared.tif": tiff_of(tiff_tags(0xFFFFFFFF, 0xFFFFFFFF) + strip),
        "of_100_million_colours.tif": tiff_of(tiff_tags(SIDE, SIDE, 1, 8, 4) + strip, bytes(2000)),
        "zip_of_zeros.tif": tiff_of(tiff_tags(SIDE, SIDE, 8) + deflated).ljust(200, b"\0") + packed,
        "floats_of_100_million.tif": tiff_of([*tiff_tags(SIDE, SIDE, 1, 32), (339, 3, 1, 3), *strip], bytes(2000)),
        "tiles_of_4_billion.tif": tiff_of(tiff_tags(96, 72, 8) + tiles, bytes(2000)),
        "tiles_of_one_pixel.tif": tiff_of(
            tiff_tags(9000, 9000, 5)
            + [(322, 4, 1, 16), (323, 4, 1, 16), (324, 4, 316_969, 200), (325, 4, 316_969, 200)],
            bytes(1_300_000),
        ),
        "strips_of_one_row.tif": tiff_of(
            [*tiff_tags(40, 1_000_000), (273, 4, 1_000_000, 200), (278, 4, 1, 1), (279, 4, 1_000_000, 4_000_200)],
            bytes(8_000_400),
        ),
        "40_000_tags_of_the_same_bytes.tif": tiff_of(many, bytes(600_000)),
        "folders_in_a_circle.tif": tiff_of(folder, bytes(8000), 8),
        "10_000_folders.tif": chain(folder, 10_000),
        "lzma.tif": tiff_of(tiff_tags(96, 72, 34925) + strip, bytes(2000)),
        "jpeg_of_many_scans.tif": tiff_of(
            [
                *tiff_tags(2000, 1500, 7, 8, 1),
                (273, 4, 1, 200),
                (278, 4, 1, 1500),
                (279, 4, 1, len(scans := many_scans(3000, 2000, 1500))),
            ]
        ).ljust(200, b"\0")
        + scans,
        "tags_behind_its_end.tif": b"II*\0\xff\xff\xff\x7f",
        "a_strip_of_4_GB.tif": tiff_of(
            tiff_tags(96, 72, 5) + [(273, 4, 1, 200), (278, 4, 1, 72), (279, 4, 1, 0xFFFFFFF0)], bytes(2000)
        ),
    }


def chain(tags: list[tuple[int, int, int, int]], folders: int) -> bytes:
    """A TIFF of so many pages."""
    size = 2 + 12 * len(tags) + 4
    first = tiff_of(tags, b"", 8 + size)
    more = [tiff_of(tags, b"", 8 + size * (n + 2))[8:] for n in range(folders)]
    return b"".join((first, *more)) + bytes(8000)


def bmp(width: int, height: int, bits: int, packing: int, data: bytes) -> bytes:
    """A BMP with the header of Windows 3."""
    palette = bytes(1024) if bits == 8 else b""
    start = 54 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + palette + data


def others() -> dict[str, bytes]:
    jump = b"\0\2\xff\xff"
    return {
        "runs_of_one.bmp": bmp(5000, 4000, 8, 1, b"\1\7" * 10_000_000),
        "jumps.bmp": bmp(9000, 9000, 8, 1, jump * 200_000),
        "of_2_billion_squared.bmp": bmp(0x7FFFFFFF, 0x7FFFFFFF, 24, 0, bytes(100)),
        "least_height.bmp": bmp(96, -(1 << 31), 24, 0, bytes(100)),
        "of_100_million.bmp": bmp(SIDE, SIDE, 32, 0, bytes(100)),
        "values_up_to_254.ppm": b"P6\n3000 3000\n254\n" + bytes(27_000_000),
        "of_100_million.ppm": b"P6\n10000 10000\n255\n" + bytes(100),
        "numbers_without_end.ppm": b"P6\n" + b"9" * 5_000_000 + b" 9\n255\n",
        "a_comment_without_end.ppm": b"P6\n#" + b"x" * 5_000_000,
    }


def younger() -> dict[str, bytes]:
    """AVIF and JPEG 2000, where this Pillow writes them."""
    made = {}
    try:
        avif = encoded(photo(64, 64), "AVIF", quality=30, speed=10)
        at = avif.index(b"ispe") + 8
        made["says_100_million.avif"] = avif[:at] + struct.pack(">II", SIDE, SIDE) + avif[at + 8 :]
        made["says_4_billion_squared.avif"] = avif[:at] + b"\xff" * 8 + avif[at + 8 :]
        made["says_nothing.avif"] = avif.replace(b"ispe", b"free")
        made["exif_of_itself.avif"] = avif + struct.pack(">I", 999_999) + b"free" + exif_of_itself(40_000, 500_000)
        made["cut.avif"] = avif[:-100]
    except (OSError, KeyError):
        pass
    try:
        jp2 = encoded(photo(64, 64), "JPEG2000", no_jp2=True)
        siz = jp2.index(b"\xff\x51")
        head, rest = jp2[: siz + 6], jp2[siz + 38 :]

        def say(width: int, height: int, wide: int, high: int) -> bytes:
            return head + struct.pack(">8I", width, height, 0, 0, wide, high, 0, 0) + rest

        made["of_100_million.j2k"] = say(SIDE, SIDE, SIDE, SIDE)
        made["65025_tiles.j2k"] = say(255, 255, 1, 1)
        made["tiles_without_number.j2k"] = say(9000, 9000, 1, 1)
        made["of_4_billion_squared.j2k"] = say(0xFFFFFFFF, 0xFFFFFFFF, 64, 64)
        cod = jp2.index(b"\xff\x52")
        made["65535_layers.j2k"] = (
            say(5000, 5000, 5000, 5000)[: cod + 6] + b"\xff\xff" + say(5000, 5000, 5000, 5000)[cod + 8 :]
        )
        made["cut.j2k"] = jp2[: len(jp2) // 2]
    except (OSError, KeyError):
        pass
    return made


FAMILIES: tuple[Callable[[], dict[str, bytes]], ...] = (jpegs, pngs, webps, gifs, tiffs, others, younger)


def hostile_photos(folder: Path) -> list[Path]:
    """Writes them all below `folder`; returns their paths, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        for name, content in family().items():
            (folder / name).write_bytes(content)
    return sorted(folder.iterdir())


if __name__ == "__main__":
    hostile_photos(Path(sys.argv[1]))
