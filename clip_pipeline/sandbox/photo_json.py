"""A photo as the Unsplash API writes it, field for field after recorded answers of 2023."""

from __future__ import annotations

import json
import random

from clip_pipeline.sandbox.messages import Addresses
from clip_pipeline.sandbox.scenes import pick
from clip_pipeline.sandbox.search_index import photo_tags
from clip_pipeline.sandbox.world import Photo

# The same photo has another `ixid` in each application and query. Filled in when an answer is sent.
IXID = "@ixid@"

BASE_83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
PREMIUM_IMAGES = "https://plus.unsplash.com"


def photo_json(photo: Photo, addresses: Addresses) -> bytes:
    """One photo as compact JSON, with `&` escaped and IXID left to be filled in."""
    text = json.dumps(_photo_fields(photo, addresses), separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", "\\u0026").encode()


def photo_urls(photo: Photo, addresses: Addresses) -> dict[str, str]:
    """The addresses of a photo in its sizes; `raw` takes further imgix parameters."""
    name = f"{PREMIUM_IMAGES}/premium_{photo.path}" if photo.premium else f"{addresses.images}/{photo.path}"
    raw = f"{name}?ixid={IXID}&ixlib=rb-4.0.3"
    tail = f"&fit=max&fm=jpg&ixid={IXID}&ixlib=rb-4.0.3&q=80"
    return {
        "raw": raw,
        "full": f"{name}?crop=entropy&cs=srgb&fm=jpg&ixid={IXID}&ixlib=rb-4.0.3&q=85",
        "regular": f"{name}?crop=entropy&cs=tinysrgb{tail}&w=1080",
        "small": f"{name}?crop=entropy&cs=tinysrgb{tail}&w=400",
        "thumb": f"{name}?crop=entropy&cs=tinysrgb{tail}&w=200",
        "small_s3": f"{addresses.images}/small/{photo.path}",
    }


def _photo_fields(photo: Photo, addresses: Addresses) -> dict[str, object]:
    rng = random.Random(f"extras {photo.id}")
    words = (photo.alt_description or "photo").replace(",", "").split()[:8]
    slug = "-".join([*words, photo.id])
    site = addresses.api.removesuffix("/api").replace("api.", "www.")
    download = f"photos/{photo.id}/download?ixid={IXID}"
    return {
        "id": photo.id,
        "slug": slug,
        "created_at": photo.created_at,
        "updated_at": "2025-12-28T06:11:47Z",
        "promoted_at": photo.created_at if rng.random() < 0.4 else None,
        "width": photo.width,
        "height": photo.height,
        "color": "#{:02x}{:02x}{:02x}".format(*photo.scene.main.rgb),
        "blur_hash": "L" + "".join(pick(rng, BASE_83) for _ in range(27)),
        "description": photo.description,
        "alt_description": photo.alt_description,
        "breadcrumbs": [],
        "urls": photo_urls(photo, addresses),
        "links": {
            "self": f"{addresses.api}/photos/{slug}",
            "html": f"{site}/photos/{slug}",
            "download": f"{site}/{download}",
            "download_location": f"{addresses.api}/{download}",
        },
        "likes": photo.likes,
        "liked_by_user": False,
        "current_user_collections": [],
        "sponsorship": _sponsorship(photo, addresses) if photo.sponsored else None,
        "topic_submissions": {},
        "premium": photo.premium,
        "plus": photo.premium,
        "user": _user(photo, addresses),
        "tags": [{"type": "search", "title": tag} for tag in photo_tags(photo)],
    }


def _user(photo: Photo, addresses: Addresses) -> dict[str, object]:
    person = photo.person
    base = f"{addresses.api}/users/{person.username}"
    image = f"{addresses.images}/profile-{person.id}?ixlib=rb-4.0.3&crop=faces&fit=crop"
    return {
        "id": person.id,
        "updated_at": "2025-12-30T10:02:11Z",
        "username": person.username,
        "name": person.name,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "twitter_username": None,
        "portfolio_url": None,
        "bio": None,
        "location": None,
        "links": {
            "self": base,
            "html": f"{addresses.api.removesuffix('/api').replace('api.', 'www.')}/@{person.username}",
            **{name: f"{base}/{name}" for name in ("photos", "likes", "portfolio", "following", "followers")},
        },
        "profile_image": {
            "small": f"{image}&w=32&h=32",
            "medium": f"{image}&w=64&h=64",
            "large": f"{image}&w=128&h=128",
        },
        "instagram_username": None,
        "total_collections": 0,
        "total_likes": 0,
        "total_photos": person.photos,
        "accepted_tos": True,
        "for_hire": False,
        "social": {"instagram_username": None, "portfolio_url": None, "twitter_username": None, "paypal_email": None},
    }


def _sponsorship(photo: Photo, addresses: Addresses) -> dict[str, object]:
    return {
        "impression_urls": [],
        "tagline": "Things that last",
        "tagline_url": f"{addresses.api}/sponsors/{photo.person.username}",
        "sponsor": _user(photo, addresses),
    }
