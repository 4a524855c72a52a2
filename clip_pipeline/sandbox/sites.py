"""The sandbox's sites behind one port: by `Host` header as virtual hosts, or by the first part of the path."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, unquote

from clip_pipeline.sandbox.benchmark import benchmark_files
from clip_pipeline.sandbox.messages import (
    Addresses,
    Request,
    Response,
    addresses_for,
    file_response,
    html_page,
    json_response,
)
from clip_pipeline.sandbox.photo_host import PhotoHost
from clip_pipeline.sandbox.photo_json import photo_urls
from clip_pipeline.sandbox.search_index import search_words
from clip_pipeline.sandbox.unsplash import REQUESTS_PER_HOUR, SANDBOX_KEY, UnsplashApi
from clip_pipeline.sandbox.wikipedia import DumpMirror
from clip_pipeline.sandbox.world import World

SITE_NAMES = ("api", "images", "dumps")
HOST_NAMES = tuple(f"{name}.sandbox.test" for name in SITE_NAMES)

PHOTOS_SHOWN = 24


class Sites:
    """All sites of one world. rate_limit: API requests in `rate_window` seconds before 403."""

    def __init__(self, world: World, rate_limit: int = REQUESTS_PER_HOUR, rate_window: float = 3600.0):
        self.world = world
        self.api = UnsplashApi(world, rate_limit, rate_window)
        self.images = PhotoHost(world)
        self.dumps = DumpMirror(world.seed, world.articles)
        self._benchmark = benchmark_files(world)
        self._answers: dict[str, Callable[[Request], Response]] = {
            "api": self.api.answer,
            "images": self.images.answer,
            "dumps": self.dumps.answer,
        }

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> Response:
        """The response to a request. target: path and query as sent. headers: lower-case names."""
        path, _, query = target.partition("?")
        host = headers.get("host", "127.0.0.1")
        parsed = dict(parse_qsl(query)) if query else {}
        request = Request(method, unquote(path), parsed, headers, addresses_for(host))
        first, _, rest = request.path.lstrip("/").partition("/")
        if first == "benchmarks":
            return self._answer_benchmark(request, rest)
        if first == "control":
            return self._control(request)
        site = host.partition(":")[0].removesuffix(".sandbox.test")
        if site in self._answers:
            return self._answers[site](request)
        if first in self._answers:
            return self._answers[first](Request(method, f"/{rest}", parsed, headers, request.addresses))
        if not first:
            return html_page("The sandbox", self._front_page(request.addresses))
        return html_page(
            "404 Not Found", "<h1>404 Not Found</h1><p>The <a href='/'>first page</a> lists what there is.", 404
        )

    def _answer_benchmark(self, request: Request, rest: str) -> Response:
        name = rest.removeprefix("sandbox").lstrip("/")
        content = self._benchmark.get(name)
        if callable(content):
            # The tars take a second to draw; made once.
            content = self._benchmark[name] = content()
        if content is None:
            if name:
                return html_page("404 Not Found", "<h1>404 Not Found</h1>", 404)
            links = "".join(f'<a href="/benchmarks/sandbox/{file}">{file}</a>\n' for file in sorted(self._benchmark))
            return html_page(
                "Index of /benchmarks/sandbox/", f"<h1>Index of /benchmarks/sandbox/</h1><pre>{links}</pre>"
            )
        kind = "application/x-tar" if name.endswith(".tar") else "text/plain; charset=utf-8"
        return file_response(request, content, kind, f"{self.world.seed}-{len(content)}")

    def _control(self, request: Request) -> Response:
        """A POST to `/control?rate_limit=N&window=SECONDS` starts a new request budget; answers with the world's numbers."""
        if request.method == "POST" and request.query.get("rate_limit", "").isdecimal():
            self.api.set_rate_limit(int(request.query["rate_limit"]), float(request.query.get("window", 3600)))
        facts = {"seed": self.world.seed, "photos": len(self.world.photos), "articles": self.world.articles}
        return json_response({**facts, "rate_limit": self.api.rate_limit, "rate_window": self.api.rate_window})

    def _front_page(self, addresses: Addresses) -> str:
        """What there is, with links that work in a browser and some of the photos."""
        key = f"client_id={SANDBOX_KEY}"
        words = ", ".join(
            f'<a href="{addresses.api}/search/photos?query={word}&{key}">{word}</a>' for word in search_words()
        )
        photos = [photo for photo in self.world.photos if not (photo.fault or photo.premium) and photo.captions]
        figures = "".join(
            f'<figure style="display:inline-block;width:210px;margin:6px;vertical-align:top"><img width=210 alt="" '
            f'src="{photo_urls(photo, addresses)["small"].replace("@ixid@", "front")}"><figcaption>'
            f"{html.escape(photo.captions[0])}</figcaption></figure>"
            for photo in photos[:PHOTOS_SHOWN]
        )
        return f"""
<style>body {{ font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }}</style>
<h1>The sandbox</h1>
<p>A generated world, seed {self.world.seed}: {len(self.world.photos):,} photos and {self.world.articles:,} articles, published
the way the real services publish theirs. Another seed is another world.</p>
<ul>
<li><b>Photo search</b>, as the Unsplash API: <code>Authorization: Client-ID {SANDBOX_KEY}</code>. These words find
something: {words}.</li>
<li><b>Photos</b>: <code>{addresses.images}/photo-...?w=400&amp;fit=max&amp;q=80</code>, some of them broken on purpose.</li>
<li><b>Wikipedia dumps</b>: <a href="{addresses.dumps}/enwiki/">{addresses.dumps}/enwiki/</a></li>
<li><b>Zero-shot test</b>: <a href="/benchmarks/sandbox/">/benchmarks/sandbox/</a></li>
<li><b>Control</b>: <a href="/control">/control</a>; a POST of JSON to <code>/control?rate_limit=50&amp;window=3600</code> sets the budget.</li>
</ul>
<h2>Some photos</h2>
{figures}
"""
