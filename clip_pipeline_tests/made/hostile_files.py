"""Files that want a machine's memory, its time or its trust, written by a script; none is copied from anywhere.

    python -m clip_pipeline_tests.made.hostile_files FOLDER      writes them all and lists them with their readers

Each is small on the disk. The photos among them are in `hostile_photos.py`.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MB = 1_000_000
DEEP = 100_000
READERS = {
    "list": "a list of urls",
    "captions": "a file of captions",
    "photos": "photos, by whatever they are",
    "archive": "an archive to unpack",
    "dump": "an XML dump",
    "html": "a dump of HTML",
    "model": "a model's configuration",
    "tokenizer": "a tokenizer's folder",
    "weights": "a file of weights",
    "recipe": "a profile",
    "plan": "a training plan",
    "titles": "a list of titles",
    "words": "a list of stop words",
    "unsplash": "the folder of the Unsplash Dataset",
    "scores": "a table of scores",
    "embed": "a file of texts",
}

TABLE = ("list", "captions")


def hostile_files(folder: Path) -> list[tuple[Path, str]]:
    """Writes all files below the folder; returns (file, name of the reader that is to read it)."""
    made = []
    for name, maker in MAKERS.items():
        place = folder / name
        place.mkdir(parents=True)
        made += list(maker(place))
    return made


def _write(path: Path, content: bytes | str, *readers: str) -> Iterator[tuple[Path, str]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    for reader in readers:
        yield path, reader


def _sparse(path: Path, start: bytes, size: int, *readers: str) -> Iterator[tuple[Path, str]]:
    """A file of `size` bytes, of which the disk holds the start alone."""
    path.write_bytes(start)
    with path.open("r+b") as stream:
        stream.truncate(size)
    for reader in readers:
        yield path, reader


def _gz_zeros(count: int, letter: bytes = b"\0") -> bytes:
    """A gzip of so many equal bytes, as members of 10 MB."""
    piece = gzip.compress(letter * (10 * MB), mtime=0)
    return piece * (count // (10 * MB))


def _texts(folder: Path) -> Iterator[tuple[Path, str]]:
    url = "http://a.test/1.jpg"
    yield from _sparse(folder / "holes.csv", b"url,caption\n", 3_000 * MB, *TABLE)
    yield from _sparse(folder / "holes.jsonl", b'{"url": "', 3_000 * MB, *TABLE)
    yield from _write(folder / "one_line.csv", "url,caption\n" + "a" * (20 * MB), *TABLE)
    yield from _write(folder / "cell.csv", f'url,caption\n{url},"' + "a" * (18 * MB) + '"\n', *TABLE)
    yield from _write(folder / "open_quote.csv", 'file,caption\n1.jpg,"' + "a\n" * 100_000, *TABLE)
    yield from _write(folder / "columns.csv", ",".join(f"c{n}" for n in range(10**6)) + f"\n{url}\n", *TABLE)
    yield from _write(folder / "commas.csv", "url,caption\n" + "," * (15 * MB) + "\n", *TABLE)
    yield from _write(folder / "zeros.csv", b"url,caption\n" + bytes(1000), *TABLE)
    yield from _write(folder / "utf7.csv", f"url,caption\n{url},+AGEAYg-\n".encode("utf-16-be"), *TABLE)
    yield from _write(folder / "utf32.csv", f"url,caption\n{url},a b c\n".encode("utf-32"), *TABLE)
    yield from _write(folder / "half.csv", f"url,caption\n{url},\ud800\udfff\n", *TABLE)
    yield from _write(folder / "latin.csv", f"url,caption\n{url},".encode() + b"\xe9\xff\n", *TABLE)
    yield from _write(folder / "returns.csv", "url,caption\r" + f"{url},a cat\r" * 1000, "list")
    yield from _write(folder / "random.csv", np.random.default_rng(1).bytes(100_000), *TABLE)
    yield from _write(folder / "empty.csv", "", *TABLE)
    yield from _write(folder / "breaks.csv", "\n" * MB, *TABLE)
    yield from _write(folder / "bars.txt", "|".join("a" for _ in range(10**6)), *TABLE)
    yield from _write(folder / "tokens.txt", "a.jpg#0\ta caption\n" + "b" * (17 * MB), "captions")


def _packed(folder: Path) -> Iterator[tuple[Path, str]]:
    yield from _write(folder / "zeros.csv.gz", _gz_zeros(2_000 * MB), *TABLE)
    yield from _write(folder / "letters.csv.gz", _gz_zeros(2_000 * MB, b"a"), *TABLE)
    yield from _write(folder / "breaks.csv.gz", _gz_zeros(2_000 * MB, b"\n"), *TABLE)
    yield from _write(folder / "spaces.json.gz", _gz_zeros(2_000 * MB, b" "), *TABLE)
    yield from _write(folder / "objects.jsonl.gz", gzip.compress(b"{}\n" * (5 * MB)) * 20, *TABLE)
    yield from _write(folder / "rows.csv.gz", gzip.compress(b"url,a\n" + b"http://a.b/c.jpg,d\n" * 10**6) * 2, *TABLE)
    yield from _write(folder / "letters.csv.bz2", bz2.compress(b"a" * (45 * MB)) * 50, *TABLE)
    yield from _write(folder / "letters.csv.xz", lzma.compress(b"a" * (50 * MB)) * 40, *TABLE)
    yield from _write(folder / "dictionary.csv.xz", _with_dictionary(lzma.compress(b"url\nhttp://a.b/c.jpg\n")), *TABLE)
    zstd = pa.Codec("zstd", 19).compress(b"a" * (200 * MB), asbytes=True)
    yield from _write(folder / "letters.csv.zst", zstd * 10, *TABLE)
    yield from _write(folder / "cut.csv.gz", gzip.compress(b"url\nhttp://a.b/c.jpg\n" * 100)[:-20], *TABLE)
    yield from _write(folder / "none.csv.gz", b"url\nhttp://a.b/c.jpg\n", *TABLE)
    yield from _write(folder / "nested.csv.gz", gzip.compress(_gz_zeros(500 * MB)), *TABLE)


def _with_dictionary(packed: bytes) -> bytes:
    """The xz with a block that asks for a dictionary of 4 GB."""
    import zlib

    header = bytearray(packed[12:24])
    place = header.index(b"\x21\x01") + 2
    header[place] = 40
    header[-4:] = struct.pack("<I", zlib.crc32(bytes(header[:-4])))
    return packed[:12] + bytes(header) + packed[24:]


def _json(folder: Path) -> Iterator[tuple[Path, str]]:
    for name, text in {
        "brackets": "[" * DEEP,
        "closed": "[" * DEEP + "]" * DEEP,
        "braces": '{"a":' * DEEP,
        "rows_of_brackets": '[{"url": ' + "[" * DEEP,
        "images": '{"images": ' + "[" * DEEP,
        "text": '["' + "a" * (40 * MB),
        "lists": "[" + "[]," * (10 * MB) + "0]",
        "one_value": '{"a.jpg": [' + '"",' * (10 * MB) + '""]}',
        "number": "[" + "1" * (2 * MB) + "]",
        "names": "{" + ",".join(f'"{n}": {{}}' for n in range(10**6)) + "}",
        "wide_row": "[{" + ",".join(f'"{n}": 1' for n in range(200_000)) + "}]",
        "wide_rows": "[" + ",".join("{" + ",".join(f'"{n}": 1' for n in range(20_000)) + "}" for _ in range(50)) + "]",
        "cut": '[{"url": "http://a.b/c.jpg"',
        "nan": '[{"url": NaN, "caption": Infinity}]',
        "karpathy": '{"images": [{"sentences": ' + "[" * DEEP,
    }.items():
        yield from _write(folder / f"{name}.json", text, *TABLE)
    yield from _write(folder / "brackets.jsonl", '{"url": "a"}\n' + "[" * DEEP + "\n", *TABLE)
    yield from _write(folder / "number.jsonl", '{"url": ' + "9" * 5000 + "}\n", *TABLE)
    yield from _write(folder / "many.jsonl", ('{"a": [' + "{}," * 4_000_000 + "{}]}\n") * 2, *TABLE)


def _parquet(folder: Path) -> Iterator[tuple[Path, str]]:
    once = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["a" * (5 * MB)]))
    bare = {
        "compression": "zstd",
        "write_statistics": False,
        "store_schema": False,
        "dictionary_pagesize_limit": 1 << 30,
    }
    for name, column in {"text": "url", "caption": "caption"}.items():
        pq.write_table(pa.table({column: once, "file": ["a.jpg"] * 1000}), folder / f"{name}.parquet", **bare)
        yield from ((folder / f"{name}.parquet", reader) for reader in TABLE)
    photo = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array([bytes(20 * MB)], pa.binary()))
    pq.write_table(pa.table({"image": photo}), folder / "photos.parquet", **bare)
    yield folder / "photos.parquet", "photos"
    labels = pa.table({"image": pa.array([b"x"] * 1000), "label": once})
    pq.write_table(labels, folder / "labels.parquet", **bare)
    yield folder / "labels.parquet", "photos"
    numbers = pa.array(np.zeros(20 * MB, np.int64))
    listed = pa.table({"url": pa.ListArray.from_arrays([0, len(numbers)], numbers)})
    pq.write_table(listed, folder / "list.parquet", compression="zstd", use_dictionary=False, write_statistics=False)
    yield from ((folder / "list.parquet", reader) for reader in TABLE)
    pq.write_table(pa.table({"url": pa.nulls(5 * MB, pa.string())}), folder / "nulls.parquet")
    yield from ((folder / "nulls.parquet", reader) for reader in TABLE)
    pq.write_table(pa.table({f"c{n}": [1] for n in range(20_000)}), folder / "columns.parquet", write_statistics=False)
    yield from ((folder / "columns.parquet", reader) for reader in (*TABLE, "photos"))
    good = io.BytesIO()
    pq.write_table(pa.table({"url": [f"http://a.b/{n}.jpg" for n in range(5000)]}), good)
    content = good.getvalue()
    yield from _write(folder / "cut.parquet", content[:-100], *TABLE, "photos")
    yield from _write(folder / "hole.parquet", content[:200] + bytes(3000) + content[3200:], *TABLE)
    yield from _write(folder / "footer.parquet", content[:-8] + struct.pack("<I", 1 << 31) + b"PAR1", *TABLE, "photos")
    yield from _write(
        folder / "footer_of_noise.parquet",
        b"PAR1" + np.random.default_rng(2).bytes(50_000) + struct.pack("<I", 50_000) + b"PAR1",
        *TABLE,
    )
    yield from _sparse(folder / "holes.parquet", content, 5_000 * MB, "list", "photos")
    yield from _write(folder / "text.pq", "url\nhttp://a.b/c.jpg\n", *TABLE)


def _tar(*members: tuple[str, bytes], **options: object) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", **options) as tar:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def _header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytearray:
    info = tarfile.TarInfo(name)
    info.type = kind
    raw = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    raw[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
    return _summed(raw)


def _summed(raw: bytearray) -> bytearray:
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return raw


def _tars(folder: Path) -> Iterator[tuple[Path, str]]:
    both = ("photos", "archive")
    yield from _write(folder / "negative.tar", bytes(_header("a.jpg", -512)) + bytes(2048), *both)
    yield from _write(folder / "endless.tar", bytes(_header("a.jpg", 1 << 60)) + bytes(2048), *both)
    yield from _sparse(folder / "pax.tar", bytes(_header("a", 4_000 * MB, tarfile.XHDTYPE)), 4_100 * MB, *both)
    yield from _sparse(
        folder / "long_name.tar", bytes(_header("a", 4_000 * MB, tarfile.GNUTYPE_LONGNAME)), 4_100 * MB, *both
    )
    yield from _write(folder / "nested_names.tar", bytes(_header("a", 512, tarfile.GNUTYPE_LONGNAME)) * 5000, *both)
    pax = b"".join(b"%d k%d=v\n" % (len(f"k{n}=v\n") + 3, n) for n in range(100, 200_000))
    yield from _write(
        folder / "facts.tar",
        bytes(_header("a", len(pax), tarfile.XHDTYPE))
        + pax
        + bytes(-len(pax) % 512)
        + bytes(_header("a.jpg", 0))
        + bytes(1024),
        *both,
    )
    pax = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n31 GNU.sparse.realsize=99999999\n"
    yield from _write(
        folder / "sparse.tar",
        bytes(_header("a", len(pax), tarfile.XHDTYPE))
        + pax
        + bytes(-len(pax) % 512)
        + bytes(_header("a.jpg", 512))
        + b"999999999999\n"
        + bytes(2000),
        *both,
    )
    old = _header("a.jpg", 512, tarfile.GNUTYPE_SPARSE)
    old[482] = 1
    yield from _write(folder / "old_sparse.tar", bytes(_summed(old)) + (b"0" * 504 + b"\1" + bytes(7)) * 2000, *both)
    yield from _write(folder / "members.tar", bytes(_header("a.jpg", 0)) * 50_000 + bytes(1024), "photos")
    yield from _write(folder / "members.tar.gz", gzip.compress(bytes(_header("a.jpg", 0)) * 200_000) * 10, "archive")
    yield from _write(
        folder / "zeros.tar.gz", gzip.compress(bytes(_header("a.jpg", 2_000 * MB))) + _gz_zeros(2_000 * MB), "archive"
    )
    yield from _write(
        folder / "zeros.tar.xz",
        lzma.compress(bytes(_header("a.jpg", 2_000 * MB)) + bytes(50 * MB)) + lzma.compress(bytes(50 * MB)) * 30,
        "archive",
    )
    yield from _write(folder / "cut.tar", _tar(("a.jpg", b"x" * 5000))[:3000], *both)
    yield from _write(folder / "up.tar", _tar(("../../a.jpg", b"x"), ("/b.jpg", b"y")), "archive")
    yield from _write(
        folder / "json.tar", _tar(("a.jpg", b"x"), ("a.json", b"[" * DEEP), ("a.txt", b"\xff" * MB)), "photos"
    )
    yield from _write(folder / "classes.tar", _tar(("a.jpg", b"x"), ("a.cls", b"9" * 5000)), "photos")
    yield from _write(folder / "noise.tar", np.random.default_rng(3).bytes(100_000), *both)
    yield from _sparse(folder / "holes.tar", b"", 5_000 * MB, *both)


def _zip(*members: tuple[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", kind, compresslevel=9) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return target.getvalue()


def _zips(folder: Path) -> Iterator[tuple[Path, str]]:
    zeros = bytes(100 * MB)
    yield from _write(folder / "zeros.zip", _zip(*((f"{n}.jpg", zeros) for n in range(4))), "archive")
    yield from _write(folder / "bz2.zip", _zip(("a.jpg", zeros), ("b.jpg", zeros), kind=zipfile.ZIP_BZIP2), "archive")
    yield from _write(folder / "up.zip", _zip(("../a.jpg", b"x"), ("C:\\a.jpg", b"y")), "archive")
    yield from _write(folder / "cut.zip", _zip(("a.jpg", b"x" * 1000))[:-30], "archive")
    claimed = _zip(("a.jpg", bytes(1000))).replace(struct.pack("<I", 1000), struct.pack("<I", 0xFFFFFFF0))
    yield from _write(folder / "claims.zip", claimed, "archive")
    one = _zip(("a.jpg", bytes(1000)))
    start = one.index(b"PK\x01\x02")
    end = one.index(b"PK\x05\x06")
    entries = 30_000
    tail = bytearray(one[end:])
    tail[8:12] = struct.pack("<HH", entries, entries)
    tail[12:16] = struct.pack("<I", (end - start) * entries)
    yield from _write(folder / "same_member.zip", one[:start] + one[start:end] * entries + bytes(tail), "archive")
    yield from _write(folder / "noise.zip", b"PK\x03\x04" + np.random.default_rng(4).bytes(10_000), "archive")


def _npy(header: str, version: int = 1, length: int | None = None) -> bytes:
    text = header.encode() + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text) if length is None else length)
    return b"\x93NUMPY" + bytes((version, 0)) + size + text


def _arrays(folder: Path) -> Iterator[tuple[Path, str]]:
    shape = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}"
    for name, content in {
        "terabytes": _npy(shape.format("|u1", "(10000000000, 32, 32)")) + bytes(1000),
        "negative": _npy(shape.format("|u1", "(-1, 32, 32)")) + bytes(1000),
        "overflow": _npy(shape.format("|u1", f"({2**62}, {2**62}, 3)")) + bytes(1000),
        "object": _npy(shape.format("|O", "(1, 32, 32)")) + b"cos\nsystem\n(S'true'\ntR.",
        "nested": _npy("(" * 4000),
        "long_header": _npy("{" + " " * 50_000 + "}", 2),
        "type": _npy(shape.format("(99999999,99999999)u1", "(1,)")),
        "noise": b"\x93NUMPY\x01\x00" + np.random.default_rng(5).bytes(5000),
        "zip": _zip(("a.npy", bytes(1000))),
    }.items():
        yield from _write(folder / f"{name}.npy", content, "photos")
    yield from _sparse(folder / "header.npy", _npy("", 2, 4_000 * MB), 4_100 * MB, "photos")
    yield from _sparse(folder / "floats.npy", _npy(shape.format("<f4", "(1, 1000000000)")), 5_000 * MB, "photos")
    yield from _write(folder / "keys.npy", _npy(shape.format("|u1", "(1, 2, 2)")) + bytes(4))
    yield from _sparse(folder / "keys.keys.txt", b"a\n", 2_000 * MB)
    yield folder / "keys.npy", "photos"
    for name, header in {
        "zeros": struct.pack(">BBBB3I", 0, 0, 8, 3, 3_000_000, 28, 28),
        "dimensions": struct.pack(">BBBB", 0, 0, 8, 255) + b"\0\0\1\0" * 255,
    }.items():
        place = folder / f"idx_{name}"
        place.mkdir()
        packed = gzip.compress(header) + _gz_zeros(2_000 * MB)
        (place / "train-images-idx3-ubyte.gz").write_bytes(packed)
        (place / "train-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">BBBBI", 0, 0, 8, 1, 3) + b"\0\1\2")
        )
        yield place, "photos"


def _pickles(folder: Path) -> Iterator[tuple[Path, str]]:
    class Runs:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            import os

            return os.system, ("touch /tmp/clip_pipeline_was_run",)

    for name, content in {
        "runs": pickle.dumps(Runs(), 2),
        "notes": b"\x80\x02" + b"N" + b"r" + struct.pack("<I", 0x7FFFFFFF) + b".",
        "length": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x",
        "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.",
        "shape": b"\x80\x02cnumpy\nndarray\n((I1000000\nI1000000\nI1000000\nttR.",
        "digits": b"\x80\x02I" + b"9" * 100_000 + b"\n.",
        "codec": b"\x80\x02c_codecs\nencode\n(X\x04\0\0\0aaaaX\x03\0\0\0zip\x94tR.",
        "nested": b"\x80\x02" + b"(" * MB + b".",
        "empty": b"",
        "noise": np.random.default_rng(6).bytes(10_000),
    }.items():
        place = folder / name
        place.mkdir()
        for batch in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
            (place / batch).write_bytes(content)
        yield place, "photos"
    packed = gzip.compress(bytes(_header("test_batch", 2_000 * MB))) + _gz_zeros(2_000 * MB)
    yield from _write(folder / "cifar-10-python.tar.gz", packed, "photos")


HEAD, FOOT = "<mediawiki>", "</mediawiki>"


def _page(title: str = "A", namespace: str = "0", text: str = "word " * 20, more: str = "") -> str:
    return (
        f"  <page>\n    <title>{title}</title>\n    <ns>{namespace}</ns>\n    <id>1</id>\n    <revision>\n      <id>1</id>\n"
        f'      <text bytes="9" xml:space="preserve">{text}</text>\n    </revision>{more}\n  </page>\n'
    )


def _dumps(folder: Path) -> Iterator[tuple[Path, str]]:
    document = {
        "namespace": HEAD + _page(namespace="a" * (3 * MB)) + FOOT,
        "namespace_word": HEAD + _page(namespace="none") + FOOT,
        "namespace_digits": HEAD + _page(namespace="9" * 5000) + FOOT,
        "namespace_squares": HEAD + _page(namespace="²") + FOOT,
        "title": HEAD + _page("a" * (20 * MB)) + FOOT,
        "text": HEAD + _page(text="a" * (40 * MB)) + FOOT,
        "wide_text": HEAD + _page(text="\U0001f408" * (5 * MB)) + FOOT,
        "attribute": f'{HEAD}<page a="' + "a" * (40 * MB),
        "comment": f"{HEAD}<!-- " + "a" * (40 * MB),
        "cdata": f"{HEAD}<page><title>A</title><revision><text><![CDATA[" + "a" * (40 * MB),
        "deep": HEAD + "<a>" * (2 * MB),
        "attributes": f"{HEAD}<page " + " ".join(f'a{n}="b"' for n in range(300_000)) + "></page>" + FOOT,
        "entities": '<!DOCTYPE a [<!ENTITY a "'
        + "x" * 1000
        + '"><!ENTITY b "'
        + "&a;" * 1000
        + '">]><mediawiki>&b;</mediawiki>',
        "outside": '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><mediawiki>&a;</mediawiki>',
        "utf7": '<?xml version="1.0" encoding="utf-7"?>' + HEAD + _page() + FOOT,
        "codec": '<?xml version="1.0" encoding="rot13"?>' + HEAD + _page() + FOOT,
        "unknown_codec": '<?xml version="1.0" encoding="' + "x" * 1000 + '"?>' + HEAD + _page() + FOOT,
        "cut": HEAD + _page()[:-30],
        "other_root": "<html></html>",
    }
    for name, text in document.items():
        yield from _write(folder / f"{name}.xml", text, "dump")
    for name, text in {
        "brackets": "[[",
        "braces": "{{",
        "tables": "{|\n",
        "tags": "<div>",
        "quotes": "'''",
        "refs": "<ref>",
        "links": "[http://a ",
        "entities": "&amp;lt;",
        "headings": "\n==",
        "parameters": "{{{",
    }.items():
        yield from _write(
            folder / f"wikitext_{name}.xml", HEAD + _page(text=(text * DEEP).replace("<", "&lt;")) + FOOT, "dump"
        )
    yield from _write(
        folder / "broken_utf8.xml",
        (HEAD + _page("TITLE", text="TEXT") + FOOT)
        .encode()
        .replace(b"TITLE", b"\xff\xfe")
        .replace(b"TEXT", b"\xc3\x28" * 50),
        "dump",
    )
    yield from _write(folder / "zeros.xml", HEAD.encode() + bytes(1000), "dump")
    yield from _write(folder / "noise.xml.bz2", b"BZh9" + np.random.default_rng(7).bytes(10_000), "dump")
    begin = (HEAD + "<page><title>A</title><ns>0</ns><revision><text>").encode()
    yield from _write(folder / "letters.xml.gz", gzip.compress(begin) + _gz_zeros(2_000 * MB, b"a"), "dump")
    yield from _write(folder / "letters.xml.bz2", bz2.compress(begin) + bz2.compress(b"a" * (45 * MB)) * 50, "dump")
    yield from _write(
        folder / "spaces.xml.xz", lzma.compress(HEAD.encode()) + lzma.compress(b" " * (50 * MB)) * 40, "dump"
    )
    yield from _write(folder / "breaks.xml.gz", _gz_zeros(2_000 * MB, b"\n"), "dump")
    yield from _sparse(folder / "holes.xml", begin, 1_000 * MB, "dump")


def _html(folder: Path) -> Iterator[tuple[Path, str]]:
    def line(html: str) -> str:
        return json.dumps({"name": "A", "namespace": {"identifier": 0}, "article_body": {"html": html}}) + "\n"

    for name, text in {
        "brackets": '{"article_body": ' + "[" * DEEP,
        "namespace": '{"name": "A", "namespace": {"identifier": ' + "9" * 5000 + '}, "html": "<p>a</p>"}\n',
        "tags": line("<b>" * (4 * MB)),
        "deep": line("<div>" * DEEP),
        "deep_spans": line("<p><span>" * DEEP),
        "attributes": line("<p " + " ".join(f"a{n}=b" for n in range(DEEP)) + ">"),
        "one_text": line("<p>" + "a" * (20 * MB)),
        "entities": line("&amp;" * (2 * MB)),
        "comment": line("<!--" * DEEP),
        "table": line("<table>" * DEEP),
        "mark": line("<p typeof='mw:Transclusion' data-mw='" + "[" * DEEP + "'>a</p>"),
        "zeros": line("<p>\0a\ud800b</p>"),
        "other": "[1]\n",
    }.items():
        yield from _write(folder / f"{name}.ndjson", text, "html")
    yield from _write(folder / "letters.ndjson.gz", gzip.compress(b'{"html": "') + _gz_zeros(2_000 * MB, b"a"), "html")
    yield from _write(folder / "breaks.ndjson.gz", _gz_zeros(2_000 * MB, b"\n"), "html")
    yield from _sparse(folder / "holes.html", b"<p>a", 3_000 * MB, "html")
    yield from _sparse(folder / "holes.ndjson", b'{"html": "', 3_000 * MB, "html")
    yield from _write(folder / "pax.tar", bytes(_header("a", 1 << 40, tarfile.XHDTYPE)) + bytes(5000), "html")
    yield from _write(folder / "negative.tar", bytes(_header("a.html", -512)) + bytes(5000), "html")
    yield from _write(folder / "members.tar.gz", gzip.compress(bytes(_header("a", 0)) * 200_000) * 10, "html")
    yield from _write(folder / "utf7.html", b'<meta charset="utf-7"><p>+AGEAYg-</p>', "html")


def _models(folder: Path) -> Iterator[tuple[Path, str]]:
    for name, text in {
        "brackets": "[" * DEEP,
        "values": "[" + "{}," * (3 * MB) + "0]",
        "spaces": " " * (40 * MB),
        "number": '{"embed_dim": ' + "9" * 5000 + "}",
        "text": '"' + "a" * 1000,
        "utf16": '{"embed_dim": 1}'.encode("utf-16"),
    }.items():
        yield from _write(folder / f"{name}.json", text, "model", "plan", "scores")
    for name, size in {"length": 1 << 60, "long": 99 * MB, "zero": 0}.items():
        yield from _sparse(folder / f"{name}.safetensors", struct.pack("<Q", size) + b"{", 120 * MB, "weights")
    claims = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    yield from _write(folder / "claims.safetensors", struct.pack("<Q", len(claims)) + claims, "weights")
    deep = b'{"a":' * DEEP
    yield from _write(folder / "deep.safetensors", struct.pack("<Q", len(deep)) + deep, "weights")
    names = {"bos_token": "a", "eos_token": "b", "pad_token": "c"}
    for name, text in {
        "brackets": "[" * DEEP,
        "long": '{"model": {"type": "BPE", "merges": [' + '"a b",' * (15 * MB),
        "vocabulary": json.dumps({"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 1 << 33}, "merges": []}}),
        "merges": json.dumps({"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["x y"] * 1000}}),
        "pattern": json.dumps(
            {
                "version": "1.0",
                "normalizer": {"type": "Replace", "pattern": {"Regex": "(" * DEEP}, "content": ""},
                "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2}, "merges": []},
            }
        ),
        "empty": "",
    }.items():
        place = folder / f"tokenizer_{name}"
        yield from _write(place / "tokenizer_config.json", json.dumps(names))
        yield from _write(place / "tokenizer.json", text)
        yield place, "tokenizer"


def _lists(folder: Path) -> Iterator[tuple[Path, str]]:
    for name, text in {
        "brackets": "a = " + "[" * DEEP,
        "tables": "[" + "a." * 10_000 + "a]",
        "keys": "".join(f"a{n} = 1\n" for n in range(200_000)),
        "digits": "recipe = " + "9" * 50_000,
        "dots": "a" + ".a" * 10_000 + " = 1",
    }.items():
        yield from _write(folder / f"{name}.toml", text, "recipe")
    for reader in ("titles", "words", "embed"):
        yield from _sparse(folder / f"holes_of_{reader}.txt", b"a\n", 3_000 * MB, reader)
        yield from _write(folder / f"breaks_of_{reader}.txt", "\n" * (30 * MB), reader)
        yield from _write(folder / f"one_line_of_{reader}.txt", "a" * (70 * MB), reader)
        yield from _write(folder / f"latin_of_{reader}.txt", b"caf\xe9\n", reader)
    for name, (photos, keywords) in {
        "long": (b"photo_id\tphoto_image_url\n" + b"a" * (40 * MB), b"photo_id\tkeyword\na\tb\n"),
        "quote": (b'photo_id\tphoto_image_url\na\t"' + b"b\n" * 50_000, b'photo_id\tkeyword\na\t"' + b"b\n" * 300_000),
        "zeros": (bytes(1000), bytes(1000)),
        "tabs": (b"photo_id\tphoto_image_url\n" + b"\t" * (10 * MB), b"photo_id\tkeyword\n" + b"\t" * (10 * MB)),
    }.items():
        place = folder / f"unsplash_{name}"
        yield from _write(place / "photos.tsv000", photos)
        yield from _write(place / "keywords.tsv000", keywords)
        yield place, "unsplash"
    place = folder / "unsplash_packed"
    yield from _write(
        place / "photos.tsv000.gz", gzip.compress(b"photo_id\tphoto_image_url\n") + _gz_zeros(2_000 * MB, b"a")
    )
    yield from _write(place / "keywords.tsv000.gz", gzip.compress(b"photo_id\tkeyword\n") + _gz_zeros(2_000 * MB, b"a"))
    yield place, "unsplash"


MAKERS = {
    maker.__name__.strip("_"): maker
    for maker in (_texts, _packed, _json, _parquet, _tars, _zips, _arrays, _pickles, _dumps, _html, _models, _lists)
}
"""Each writes files into a folder, one after the other, and gives each with the name of its reader once it is there."""


if __name__ == "__main__":
    for file, reader_name in hostile_files(Path(sys.argv[1])):
        sys.stdout.write(f"{file}\t{READERS[reader_name]}\n")
