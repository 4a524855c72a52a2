from __future__ import annotations

import json
import zlib

import pytest
import requests

from clip_pipeline.sandbox.server import start_sandbox
from clip_pipeline.sandbox.unsplash import BUSY_SHARE
from clip_pipeline.settings import SandboxSettings

API = "api.sandbox.test"


def _search(get, query, page=1, **more):
    tail = "".join(f"&{name}={value}" for name, value in more.items())
    response = get(API, f"/search/photos?query={query}&page={page}&per_page=30{tail}")
    if response.status_code == 429:
        return _search(get, query, page, **more)
    return response


@pytest.mark.parametrize("key", ["", "Client-ID wrong", "Bearer sandbox-key"])
def test_without_the_key_the_answer_is_401(get, key):
    response = get(API, "/search/photos?query=cup", {"Authorization": key})
    assert response.status_code == 401
    assert response.json() == {"errors": ["OAuth error: The access token is invalid"]}


def test_walking_the_pages_gives_every_photo_once(get):
    first = _search(get, "cup")
    total, pages = first.json()["total"], first.json()["total_pages"]
    ids = [photo["id"] for page in range(1, pages + 1) for photo in _search(get, "cup", page).json()["results"]]
    assert len(ids) == len(set(ids)) == total == int(first.headers["X-Total"]) > 300
    assert first.headers["X-Per-Page"] == "30" and pages == -(-total // 30)


def test_pages_past_the_end_are_empty(get):
    assert _search(get, "cup", 150).json()["results"] == []
    assert _search(get, "zebra").json() == {"total": 0, "total_pages": 0, "results": []}


def test_links_lead_to_the_next_and_the_last_page(get):
    header = _search(get, "cup", 2).headers["Link"]
    links = {link["rel"]: link["url"] for link in requests.utils.parse_header_links(header)}
    assert set(links) == {"first", "prev", "next", "last"} and "page=3" in links["next"]
    assert links["next"].startswith("http://api.sandbox.test/search/photos?query=cup&")


def test_a_page_holds_at_most_thirty(get):
    assert len(get(API, "/search/photos?query=red&per_page=100").json()["results"]) == 30
    assert len(get(API, "/search/photos?query=red").json()["results"]) == 10


def test_a_photo_has_the_fields_of_the_real_one(get, shared_data):
    yaml = pytest.importorskip("yaml")
    cassette = shared_data("unsplash_api") / "unsplash_rb_cassettes" / "photos.yml"
    recorded = [
        json.loads(entry["response"]["body"]["string"])
        for entry in yaml.safe_load(cassette.read_text())["http_interactions"]
        if "search/photos?content_filter" in entry["request"]["uri"] and "Etag" in entry["response"]["headers"]
    ]
    ours = _search(get, "cup").json()
    for theirs in recorded:
        assert set(theirs) == set(ours)
        real, made = theirs["results"][0], ours["results"][0]
        assert set(real) - set(made) == set()
        assert set(real["urls"]) == set(made["urls"]) and set(real["links"]) == set(made["links"])
        assert set(real["user"]) == set(made["user"])


def test_a_photo_names_its_size_its_people_and_its_addresses(get):
    photo = next(p for p in _search(get, "cup").json()["results"] if not p["premium"])
    assert len(photo["id"]) == 11 and photo["slug"].endswith(photo["id"])
    assert photo["width"] >= 900 and photo["user"]["name"] and photo["user"]["links"]["html"].startswith("http")
    assert (
        photo["urls"]["raw"].startswith("http://images.sandbox.test/photo-") and "&w=1080" in photo["urls"]["regular"]
    )
    assert photo["links"]["download_location"].startswith(f"http://api.sandbox.test/photos/{photo['id']}/download")


def test_the_same_photo_has_another_ixid_under_another_word(get):
    cups = {
        photo["id"]: photo["urls"]["raw"] for page in (1, 2, 3) for photo in _search(get, "cup", page).json()["results"]
    }
    reds = {p["id"]: p["urls"]["raw"] for page in range(1, 12) for p in _search(get, "red", page).json()["results"]}
    both = set(cups) & set(reds)
    assert both
    for name in both:
        assert cups[name] != reds[name] and cups[name].split("?")[0] == reds[name].split("?")[0]


def test_some_results_are_sponsored_premium_or_without_captions(get):
    photos = [photo for page in range(1, 10) for photo in _search(get, "red", page).json()["results"]]
    assert any(photo["sponsorship"] for photo in photos) and any(photo["sponsorship"] is None for photo in photos)
    premium = [photo for photo in photos if photo["premium"]]
    assert premium and all(
        photo["urls"]["raw"].startswith("https://plus.unsplash.com/premium_photo") for photo in premium
    )
    assert any(photo["alt_description"] is None for photo in photos) and any(
        photo["description"] is None for photo in photos
    )


def test_orientation_filters(get):
    results = _search(get, "red", orientation="portrait").json()["results"]
    assert results and all(photo["width"] < photo["height"] for photo in results)


def test_one_photo_its_download_random_ones_and_topics(get):
    photo = _search(get, "cup").json()["results"][0]
    assert (
        get(API, f"/photos/{photo['id']}").json()["id"]
        == get(API, f"/photos/{photo['slug']}").json()["id"]
        == photo["id"]
    )
    assert (
        "/" + photo["urls"]["full"].split("?")[0].rpartition("/")[2]
        in get(API, f"/photos/{photo['id']}/download").json()["url"]
    )
    assert len(get(API, "/photos/random?count=5").json()) == 5 and "id" in get(API, "/photos/random").json()
    topic = get(API, "/topics/snow/photos?per_page=3")
    assert len(topic.json()) == 3 and "X-Total" in topic.headers and "Link" in topic.headers
    assert get(API, "/photos/abc").json() == {"errors": ["Couldn't find Photo"]}


def test_a_busy_page_asks_to_wait_once(get):
    page = next(n for n in range(1, 5000) if zlib.crc32(f"0 house {n}".encode()) % BUSY_SHARE == 0)
    path = f"/search/photos?query=house&page={page}&per_page=30"
    first, second = get(API, path), get(API, path)
    assert first.status_code == 429 and first.headers["Retry-After"] == "1" and second.status_code == 200


def test_a_spent_budget_is_403_until_the_window_ends():
    with start_sandbox(SandboxSettings(photos=50, articles=50), rate_limit=2, rate_window=0.5) as running:
        url = f"http://127.0.0.1:{running.port}"
        key = {"Authorization": "Client-ID sandbox-key"}
        answers = [requests.get(f"{url}/api/photos", headers=key, timeout=30) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 403]
        assert [answer.headers["X-Ratelimit-Remaining"] for answer in answers] == ["1", "0", "0"]
        assert answers[2].text == "Rate Limit Exceeded" and answers[2].headers["X-Ratelimit-Limit"] == "2"
        assert requests.post(f"{url}/control?rate_limit=1&window=3600", json={}, timeout=30).json()["rate_limit"] == 1
        codes = [requests.get(f"{url}/api/photos", headers=key, timeout=30).status_code for _ in range(2)]
        assert codes == [200, 403]
