"""The photo host: images in the size that is asked for, and the faults that a real host has.

Faults belong to a photo, not to chance: the same address behaves the same in every run. A server error is answered
once in the life of the server; the next try gets the photo.
"""

from __future__ import annotations

import hashlib
import io

from PIL import Image

from clip_pipeline.sandbox.messages import Request, Response, file_response, html_page
from clip_pipeline.sandbox.render import jpeg_bytes, render_scene
from clip_pipeline.sandbox.world import Photo, World

SLOW_SECONDS = 0.3
TRUNCATED_SHARE = 0.55
NEAR_DUPLICATE_QUALITY = 7
"""Near-duplicates are stored at a quality lower by this."""

MAX_SIDE = 4000
ORIENTATION, GPS_IFD = 0x0112, 0x8825


class PhotoHost:
    """Answers requests for photos: `/photo-…?w=&h=&fit=max|clip|crop&q=&fm=jpg|png|webp`."""

    def __init__(self, world: World):
        self._photos = {photo.path: photo for photo in world.photos}
        self._failed_once: set[str] = set()

    def answer(self, request: Request) -> Response:
        """The image, or what the host does instead of sending it."""
        name = request.path.lstrip("/").removeprefix("small/")
        photo = self._photos.get(name)
        if photo is None or photo.fault == "missing":
            return Response(404, b"404 Not Found\n", "text/plain", {"Cache-Control": "max-age=60"})
        if photo.fault == "server_error_once" and name not in self._failed_once:
            self._failed_once.add(name)
            return Response(500, b"Internal Server Error\n", "text/plain")
        if photo.fault == "html":
            page = html_page("Sign in", "<p>Please sign in to see this photo.</p>")
            page.content_type = "image/jpeg"
            return page
        content, content_type = _encode(photo, request)
        return self._send(request, photo, content, content_type)

    def _send(self, request: Request, photo: Photo, content: bytes, content_type: str) -> Response:
        sent_share = 1.0
        if photo.fault == "truncated":
            # One in four breaks the connection in the middle; the others were stored incomplete.
            if int(photo.path[-1], 16) % 4 == 0:
                sent_share = TRUNCATED_SHARE
            else:
                content = content[: int(len(content) * TRUNCATED_SHARE)]
        response = file_response(
            request, content, content_type, hashlib.md5(content, usedforsecurity=False).hexdigest()
        )
        response.headers["Cache-Control"] = "public, max-age=31536000"
        response.delay = SLOW_SECONDS if photo.fault == "slow" else 0.0
        response.sent_share = sent_share
        return response


def _encode(photo: Photo, request: Request) -> tuple[bytes, str]:
    image = _sized_image(photo, request)
    wanted = request.query.get("q", "")
    quality = min(int(wanted), 100) if wanted.isdecimal() else 75
    if photo.copy_of and not photo.exact:
        quality = max(quality - NEAR_DUPLICATE_QUALITY, 1)
    kind = request.query.get("fm", "jpg")
    if photo.fault in ("png", "webp") or kind in ("png", "webp"):
        kind = photo.fault if photo.fault in ("png", "webp") else kind
        return _saved(image, kind.upper(), quality=quality), f"image/{kind}"
    if photo.fault == "grayscale":
        image = image.convert("L")
    elif photo.fault == "cmyk":
        image = image.convert("CMYK")
    elif photo.fault == "exif_rotation":
        return _rotated_with_exif(image, quality), "image/jpeg"
    return jpeg_bytes(image, quality), "image/jpeg"


def _rotated_with_exif(image: Image.Image, quality: int) -> bytes:
    """Stored lying on its side, with the orientation that stands it up again, and the place it was taken at."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # turn by 90 degrees clockwise to view
    exif[GPS_IFD] = {1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)}
    return _saved(image.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=quality, exif=exif)


def _saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _sized_image(photo: Photo, request: Request) -> Image.Image:
    """The image, never larger than the original; fit=crop cuts the middle to exactly w x h."""
    width, height = _side(request, "w"), _side(request, "h")
    if request.query.get("fit") == "crop" and width and height:
        scale = max(width / photo.width, height / photo.height)
        wide, high = max(round(photo.width * scale), width), max(round(photo.height * scale), height)
        left, top = (wide - width) // 2, (high - height) // 2
        return render_scene(photo.scene, wide, high).crop((left, top, left + width, top + height))
    scale = min(1.0, (width or photo.width) / photo.width, (height or photo.height) / photo.height)
    return render_scene(photo.scene, max(round(photo.width * scale), 1), max(round(photo.height * scale), 1))


def _side(request: Request, name: str) -> int:
    text = request.query.get(name, "")
    return min(int(text), MAX_SIDE) if text.isdecimal() else 0
