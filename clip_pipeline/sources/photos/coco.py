"""Captions as COCO publishes them (images and annotations), and as Karpathy's splits do (images with their sentences)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import CaptionsError
from clip_pipeline.sources.photos.metadata import facts_of
from clip_pipeline.sources.tables.json_stream import JsonStream
from clip_pipeline.sources.tables.values import plain_text, texts_of

COCO_KEYS = ("images", "annotations")

IMAGE_KEYS = ("width", "height", "split", "coco_url", "flickr_url", "license")

Row = tuple[str, list[str], dict[str, Any]]
"""File name as written, captions, facts (see metadata.py)."""


def read_coco(path: Path, stream: JsonStream, left_out: LeftOut | None = None) -> Iterator[Row]:
    """Rows of the object that the stream stands before, an image each, those without captions too.

    Images of Karpathy's lists carry their sentences, split and folder (`filepath`), and are given as they are read. COCO's
    are given at the end, with all captions of their annotations, their licence by name and their address: memory then holds
    the images and captions, 1.1 KB an image with three captions, not the file (374 MB of JSON: a peak of 716 MB, where
    json.load takes 1,536 MB, and 17 s of CPU; 2026-11-21). Captions of no image of the
    list are counted in left_out by their images, or a warning where that is None. Raises CaptionsError for lists without a file name, id or captions and for two photos of
    one id, ValueError for what is no JSON.
    """
    images: dict[str, tuple[Any, ...]] = {}
    captions: dict[str | None, list[str]] = {}
    licences: dict[str | None, str] = {}
    found, captioned = 0, False
    for name in stream.members():
        if name == "images" and stream.kind == "[":
            for image in stream.items():
                found += 1
                image = _object(path, image, "image")
                if "sentences" in image:
                    captioned = True
                    yield _karpathy_row(path, image)
                else:
                    key, file_name = _id(image.get("id")), _file_name(path, image)
                    if key is None or images.get(key, (file_name,))[0] != file_name:
                        raise _unclear_id(path, file_name, key, images)
                    images[key] = (file_name, *map(image.get, IMAGE_KEYS))
        elif name == "annotations" and stream.kind == "[":
            for one in stream.items():
                one = _object(path, one, "annotation")
                captioned = captioned or "caption" in one
                captions.setdefault(_id(one.get("image_id")), []).extend(texts_of(one.get("caption")))
        elif name == "licenses" and stream.kind == "[":
            licences = {_id(one.get("id")): str(one.get("name")) for one in stream.items() if isinstance(one, dict)}
    stream.end()
    if not found:
        raise CaptionsError(
            f'{path} lists no images: its "images" are missing or empty. Give the captions of a COCO release.'
        )
    if not captioned:
        raise CaptionsError(
            f"{path} is of COCO's form, but none of its annotations has a caption (boxes and people have files of their "
            "own). Give captions_train2014.json or the like."
        )
    unknown = [key for key in captions if key not in images] if images else []
    lost = LeftOut()
    lost.add(
        "captions of an image that their file does not list", len(unknown), f"image_id {unknown[0]}" if unknown else ""
    )
    lost.hand_on(left_out, path.name)
    for key, (file_name, *values) in images.items():
        yield file_name, captions.pop(key, []), _image_facts(dict(zip(IMAGE_KEYS, values, strict=True)), licences)


def _kind_of(value: Any) -> str:
    return {list: "a list", str: "a text", bool: "a yes or no", type(None): "null"}.get(type(value), "a number")


def _object(path: Path, value: Any, kind: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CaptionsError(f"{path}: an {kind} is {_kind_of(value)}, an object was expected. Get the file again.")
    return value


def _id(value: Any) -> str | None:
    """An id as text: 7, "7" and the 7.0 that pandas makes of it are one. None for what is no id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | str) else None


def _unclear_id(path: Path, file_name: str, key: str | None, images: dict[str, tuple[Any, ...]]) -> CaptionsError:
    found = "has no id" if key is None else f"has the id {key}, which {images[key][0]} has too"
    return CaptionsError(f"{path}: {file_name} {found}, so its captions cannot be joined to it. Number the images.")


def _file_name(path: Path, image: dict[str, Any]) -> str:
    name = image.get("file_name", image.get("filename"))
    if not isinstance(name, str) or not name.strip():
        raise CaptionsError(
            f"{path}: an image has no file_name, only {', '.join(map(str, image))[:100]}. Get the captions of a COCO release."
        )
    return plain_text(name.strip())


def _image_facts(image: dict[str, Any], licences: dict[str | None, str]) -> dict[str, Any]:
    """Size, split, address and licence of one of COCO's images."""
    address, licence = image["coco_url"] or image["flickr_url"], licences.get(_id(image["license"]))
    return facts_of({**image, "origin": address, "license": licence})


def _karpathy_row(path: Path, image: dict[str, Any]) -> Row:
    folder = image.get("filepath")
    name = _file_name(path, image)
    name = posixpath.join(plain_text(folder), name) if isinstance(folder, str) else name
    return name, texts_of(image["sentences"]), facts_of({"split": image.get("split")})
