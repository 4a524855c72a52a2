"""Articles by title and by category from a wiki on loopback that behaves as the real one, and from its recorded answers."""

from __future__ import annotations

import bz2
import gzip
import json

import pytest

from clip_pipeline.errors import InputError, SettingsError, SourceError
from clip_pipeline.settings import WikipediaSettings
from clip_pipeline.sources.wikimedia.api_articles import download_articles
from clip_pipeline.sources.wikimedia.api_titles import MAX_CATEGORIES
from clip_pipeline.sources.wikimedia.dump_files import describe_dump, part_pieces
from clip_pipeline_tests.sources.loopback import Answer
from clip_pipeline_tests.sources.wikimedia.test_api_client import API, PATH, answer_json, asked, play, recordings
from clip_pipeline_tests.words.dumps import count_dumps, read_pages

SITE = {
    "query": {
        "general": {"sitename": "Wikipedia", "wikiid": "dewiki", "lang": "de"},
        "namespaces": {
            "0": {"id": 0, "name": "", "canonical": ""},
            "6": {"id": 6, "name": "Datei", "canonical": "File"},
            "14": {"id": 14, "name": "Kategorie", "canonical": "Category"},
        },
    }
}
TEXTS = {
    "Katze": "Eine '''Katze''' ist ein [[Haustier|Tier]]. [[Datei:K.jpg|mini|Katze im Gras]] [[Kategorie:Versteckt]]",
    "Hund": "Ein Hund & eine Katze < Haus\x0b\ud800.",
    "Vogel": "Ein Vogel singt.",
}
REDIRECTS = {"Kater": "Katze", "Mieze": "Katze"}
MEMBERS = {
    "Kategorie:Tiere": [(0, "Katze"), (14, "Kategorie:Vögel"), (0, "Hund")],
    "Kategorie:Vögel": [(0, "Vogel"), (14, "Kategorie:Tiere"), (0, "Katze")],
}


class Wiki:
    """Answers siteinfo, categorymembers (two a page) and revisions as MediaWiki 1.46 does in format version 2."""

    def __init__(self, site):
        self.site, self.batches, self.broken_after = site, [], None
        site.routes[PATH] = self.answer

    def answer(self, request, count):
        question = asked(request.path)
        if self.broken_after is not None and count >= self.broken_after:
            return Answer(403, b"<h1>blocked</h1>")
        if question.get("meta") == "siteinfo":
            return answer_json(SITE)
        if question.get("list") == "categorymembers":
            return self.members(question)
        return self.pages(question)

    def members(self, question):
        wanted = {int(key) for key in question["cmnamespace"].split("|")}
        listed = [{"ns": ns, "title": t} for ns, t in MEMBERS.get(question["cmtitle"], []) if ns in wanted]
        start = int(question.get("cmcontinue", "0"))
        value = {"batchcomplete": True, "query": {"categorymembers": listed[start : start + 2]}}
        if start + 2 < len(listed):
            value["continue"] = {"cmcontinue": str(start + 2), "continue": "-||"}
        return answer_json(value)

    def pages(self, question):
        titles = question["titles"].split("|")
        self.batches.append(titles)
        assert question["redirects"] == "1" and question["rvslots"] == "main" and "rvlimit" not in question
        query: dict = {"pages": [], "redirects": [], "interwiki": []}
        for title in dict.fromkeys(REDIRECTS.get(title, title) for title in titles):
            if title.startswith("en:"):
                query["interwiki"].append({"title": title, "iw": "en"})
            elif "<" in title:
                query["pages"].append({"title": title, "invalidreason": "bad characters", "invalid": True})
            elif title not in TEXTS and not title.startswith("Seite"):
                query["pages"].append({"ns": 0, "title": title, "missing": True})
            else:
                number = list(TEXTS).index(title) if title in TEXTS else 100 + int(title.removeprefix("Seite "))
                query["pages"].append({"pageid": 10 - number if number < 10 else number, "ns": 0, "title": title})
        query["redirects"] = [{"from": title, "to": REDIRECTS[title]} for title in titles if title in REDIRECTS]
        # As the real wiki does where the texts are long: the first answer holds half of them, the second the rest.
        with_text = [page for page in query["pages"] if "pageid" in page]
        half = len(with_text) // 2 if question.get("rvcontinue") is None else None
        for page in with_text[:half] if half is not None else with_text[len(with_text) // 2 :]:
            text = TEXTS.get(page["title"], f"Text von {page['title']}")
            slot = {"contentmodel": "wikitext", "contentformat": "text/x-wiki", "content": text}
            page["revisions"] = [
                {"revid": 7, "parentid": 6, "timestamp": "2026-01-02T03:04:05Z", "slots": {"main": slot}}
            ]
        if half is not None and len(with_text) > half:
            return answer_json({"continue": {"rvcontinue": "1|2", "continue": "||"}, "query": query})
        return answer_json({"batchcomplete": True, "query": query})


@pytest.fixture
def wiki(site):
    return Wiki(site)


@pytest.fixture
def download(site, tmp_path):
    def downloading(name="out", max_categories=MAX_CATEGORIES, **settings):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        chosen = WikipediaSettings(dump="api", api=API, **settings)
        hosts = site.hosts("en.wikipedia.org")
        return download_articles(chosen, tmp_path / f"work {name}", folder, hosts, "ann", max_categories)

    return downloading


def pages_of(path) -> list:
    (part,) = describe_dump(path, 1).parts
    return list(read_pages(part_pieces(path, part)))


def test_titles_become_an_export_file_and_every_title_is_accounted_for(wiki, download):
    path, report = download(titles="Katze|Kater| Mieze |Hund|Katze|Nirgends|a<b|en:Cat")
    pages = pages_of(path)
    assert [(page.id, page.title) for page in pages] == [(9, "Hund"), (10, "Katze")]
    assert pages[1].text == TEXTS["Katze"]
    assert pages[0].text == "Ein Hund & eine Katze < Haus."
    assert report.as_json() == {
        "asked": 7, "articles": 2, "redirects": 2, "missing": ["Nirgends"], "invalid": ["a<b"], "elsewhere": ["en:Cat"],
        "not_wikitext": [], "categories": 0,
    }  # fmt: skip
    assert path.name == "dewiki-latest-pages-articles-multistream.xml.bz2"


def test_the_wikis_own_names_of_files_and_categories_are_known_to_the_count(wiki, download):
    path, _ = download(titles="Katze")
    counts = dict(zip(*count_dumps([path]).select(["word", "count"]).to_pydict().values(), strict=True))
    assert counts == {"eine": 1, "katze": 2, "ist": 1, "ein": 1, "tier": 1, "im": 1, "gras": 1}


def test_a_category_is_followed_as_deep_as_asked_and_never_in_a_circle(wiki, download, site):
    _, shallow = download("a", category="Tiere")
    assert (shallow.asked, shallow.articles, shallow.categories) == (2, 2, 1)
    _, deep = download("b", category="Kategorie:Tiere", category_depth=5)
    assert (deep.asked, deep.articles, deep.categories) == (3, 3, 2)
    assert sum("cmcontinue" in path for _, path in site.requests) == 2


def test_the_bytes_do_not_depend_on_the_order_of_the_titles(wiki, download):
    one, _ = download("a", titles="Katze|Hund|Vogel")
    two, _ = download("b", titles="Vogel|Kater|Hund")
    assert one.read_bytes() == two.read_bytes()


def test_queries_hold_fifty_titles_or_as_many_as_a_url_can(wiki, download, tmp_path):
    titles = tmp_path / "titles.txt"
    titles.write_text("\ufeff" + "".join(f"Seite_{n}\n\n" for n in range(120)), encoding="utf-8")
    path, report = download(titles=str(titles))
    assert report.articles == 120 and [len(batch) for batch in wiki.batches[::2]] == [50, 50, 20]
    assert bz2.decompress(path.read_bytes()).count(b"<page>") == 120
    assert len(describe_dump(path, 2).parts) == 2, "streams of 100 pages can be cut apart"
    wiki.batches.clear()
    download("long", titles="|".join(f"{'ж' * 120}{n}" for n in range(20)) + "|Katze")
    assert len(wiki.batches) > 2 and all(len("".join(batch).encode()) * 3 < 5200 for batch in wiki.batches)


def test_a_killed_download_asks_only_for_the_rest_and_ends_with_the_same_bytes(wiki, download, site, tmp_path):
    titles = "|".join(f"Seite {n}" for n in range(120))
    whole, _ = download("whole", titles=titles)
    needed = len(site.requests)
    wiki.broken_after = needed + 4
    with pytest.raises(SourceError, match="refuses with status 403"):
        download("broken", titles=titles)
    wiki.broken_after, before = None, len(site.requests)
    resumed, _ = download("broken", titles=titles)
    assert len(site.requests) - before == needed - 4
    assert resumed.read_bytes() == whole.read_bytes()
    answers = gzip.decompress((resumed.parent / "answers.jsonl.gz").read_bytes())
    assert answers == gzip.decompress((whole.parent / "answers.jsonl.gz").read_bytes())
    assert len([json.loads(line) for line in answers.splitlines()]) == needed


def test_bad_input_gets_a_sentence(wiki, download, tmp_path):
    with pytest.raises(SettingsError, match="needs wikipedia.titles"):
        download()
    with pytest.raises(InputError, match=r"There is no file nowhere\.txt"):
        download(titles="nowhere.txt")
    (tmp_path / "latin.txt").write_bytes(b"Stra\xdfe\n")
    with pytest.raises(InputError, match="is no UTF-8 text"):
        download(titles=str(tmp_path / "latin.txt"))
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(InputError, match="holds no title"):
        download(titles=str(tmp_path / "empty.txt"))
    (tmp_path / "long.txt").write_text("Hund\n" + "x" * 300)
    with pytest.raises(InputError, match="Line 2 of .* is no title"):
        download(titles=str(tmp_path / "long.txt"))
    with pytest.raises(SourceError, match=r"none of the 2 titles asked for \(Nirgends, Nie\)"):
        download("c", titles="Nirgends|Nie")
    with pytest.raises(SourceError, match="the category is empty"):
        download("d", category="Leer")


def test_a_category_of_endless_subcategories_is_told(site, download):

    def answer(request, count):
        question = asked(request.path)
        if question.get("meta") == "siteinfo":
            return answer_json(SITE)
        name = question["cmtitle"]
        return answer_json({"query": {"categorymembers": [{"ns": 14, "title": f"{name}{n}"} for n in range(9)]}})

    site.routes[PATH] = answer
    with pytest.raises(SourceError, match="more than 20 subcategories"):
        download(max_categories=20, category="Tiere", category_depth=10)


def test_the_first_version_of_the_format_is_read_too(site, download):
    pages = {
        "-1": {"ns": 0, "title": "Nirgends", "missing": ""},
        "5": {"pageid": 5, "ns": 0, "title": "Hund", "revisions": [{"revid": 1, "timestamp": "t", "*": "Ein Hund"}]},
        "6": {"pageid": 6, "ns": 0, "title": "Karte", "revisions": [{"contentmodel": "json", "*": "{}"}]},
    }
    old_site = {"query": {"general": {}, "namespaces": {"14": {"id": 14, "*": "Kategorie"}}}}
    site.in_turn(PATH, answer_json(old_site), answer_json({"query": {"pages": pages}}))
    path, report = download(titles="Hund|Nirgends|Karte")
    assert [page.text for page in pages_of(path)] == ["Ein Hund"] and path.name.startswith("wiki-latest")
    assert report.missing == ["Nirgends"] and report.not_wikitext == ["Karte"]


def test_the_recorded_members_of_a_category_are_read(shared_data, site, download):
    found = recordings(shared_data("mediawiki_api/wikipedia-api-cassettes"))
    (key,) = [key for key in found if ("list", "categorymembers") in key]
    recorded = json.loads(found[key]["body"]["string"])["query"]["categorymembers"]
    play(site, found)
    replay = site.routes[PATH]
    wanted = []

    def answer(request, count):
        question = asked(request.path)
        if question.get("meta") == "siteinfo":
            return answer_json(SITE | {"query": SITE["query"] | {"namespaces": {}}})
        if question.get("list") == "categorymembers":
            request.path = "?" + "&".join(f"{n}={v}" for n, v in dict(key).items()) + "&maxlag=5&format=json"
            return replay(request, count)
        titles = question["titles"].split("|")
        wanted.extend(titles)
        revisions = [{"slots": {"main": {"content": "physics"}}}]
        return answer_json({"query": {"pages": [{"pageid": hash(t) % 10**9, "title": t, "revisions": revisions} for t in titles]}})  # fmt: skip

    site.routes[PATH] = answer
    _, report = download(category="Physics")
    assert wanted == [member["title"] for member in recorded if member["ns"] == 0]
    assert 0 < report.asked < len(recorded)


def real_categories(tree: dict) -> dict[str, tuple[list[str], list[str]]]:
    """Category -> (its pages, its subcategories), out of a tree that repeats what is reached by several ways."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    waiting = list(tree.items())
    while waiting:
        name, node = waiting.pop()
        pages, subcategories = found.setdefault(name, ([], []))
        pages += [title for title in node["links"] if title not in pages]
        subcategories += [title for title in node["sub-categories"] if title not in subcategories]
        waiting += node["sub-categories"].items()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_real_categories_of_chess_are_read_once_each(shared_data, site, download, depth):
    path = shared_data("mediawiki_api/barrust-mediawiki/mock_categorytree.json")
    categories = real_categories(json.loads(path.read_text()))
    wanted: list[str] = []

    def answer(request, count):
        question = asked(request.path)
        if question.get("meta") == "siteinfo":
            names = {"14": {"id": 14, "name": "Category"}}
            return answer_json({"query": {"general": {"wikiid": "enwiki"}, "namespaces": names}})
        if "titles" in question:
            titles = question["titles"].split("|")
            wanted.extend(titles)
            revisions = [{"slots": {"main": {"content": "chess"}}}]
            pages = [{"pageid": len(wanted) + n, "title": t, "revisions": revisions} for n, t in enumerate(titles)]
            return answer_json({"query": {"pages": pages}})
        pages, subcategories = categories[question["cmtitle"].removeprefix("Category:")]
        members = [{"ns": 100 if title.startswith("Portal:") else 0, "title": title} for title in pages]
        members += [{"ns": 14, "title": f"Category:{title}"} for title in subcategories]
        return answer_json({"query": {"categorymembers": members}})

    site.routes[PATH] = answer
    _, report = download(category="Chess", category_depth=depth)
    level, reached = {"Chess"}, {"Chess"}
    for _ in range(depth):
        level = {below for name in level for below in categories[name][1]} - reached
        reached |= level
    expected = {title for name in reached for title in categories[name][0] if not title.startswith("Portal:")}
    assert set(wanted) == expected and len(wanted) == len(expected)
    asked_for = [asked(path)["cmtitle"] for _, path in site.requests if "cmtitle" in path]
    assert len(asked_for) == len(set(asked_for)) == len(reached) == report.categories
