from __future__ import annotations

import time
import urllib.robotparser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.sources.web.robots import forbidding_directive, parse_robots

SIMPLE = b"""
            User-Agent: *
            Disallow: *.gif$
            Disallow: /example/
            Allow: /publications/

            User-Agent: foobot
            Disallow:/
            Allow:/example/page.html
            Allow:/example/allowed.gif

            User-Agent: barbot
            User-Agent: bazbot
            Disallow: /example/page.html

            User-Agent: quxbot
"""
"""RFC 9309, section 5.1."""


@pytest.mark.parametrize(
    ("robot", "target", "allowed"),
    [
        ("anybot", "/publications/a.html", True), ("anybot", "/example/page.html", False), ("anybot", "/a.gif", False),
        ("anybot", "/a.gif?x", True), ("anybot", "/", True),
        ("foobot", "/example/page.html", True), ("foobot", "/example/allowed.gif", True), ("foobot", "/a", False),
        ("FooBot", "/a", False), ("foobot", "/robots.txt", True),
        ("barbot", "/example/page.html", False), ("bazbot", "/example/page.html", False), ("bazbot", "/example/", True),
        ("quxbot", "/example/page.html", True),
    ],
)  # fmt: skip
def test_the_simple_example_of_the_rfc(robot, target, allowed):
    assert parse_robots(SIMPLE, robot).allows(target) is allowed


def test_the_longest_match_of_the_rfc():
    rules = b"User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n"
    robots = parse_robots(rules, "foobot")
    assert robots.allows("/example/page/allowed.gif")
    assert not robots.allows("/example/page/disallowed.gif")


def test_groups_of_one_robot_are_joined_and_upper_case_does_not_matter():
    robots = parse_robots(
        b"user-agent: ExampleBot\ndisallow: /foo\n\nUSER-AGENT: examplebot\nDISALLOW: /baz", "ExampleBot"
    )
    assert [robots.allows(target) for target in ("/foo", "/bar", "/baz")] == [False, True, False]


@pytest.mark.parametrize(
    ("pattern", "target"),
    [
        # RFC 9309, section 2.2.2
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz"),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar"),
        ("/foo/bar?baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https://foo.bar"),
        ("/foo/bar/\u30c4", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84"),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
        ("/foo/bar/baz", "/foo/bar/%62%61%7A"),
        # section 2.2.3
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html"),
        ("/path/foo-%24", "/path/foo-$"),
        ("/a$b", "/a$b"),
        ("/this/path/exactly$", "/this/path/exactly"),
        ("/this/*/exactly", "/this/path/exactly/here"),
        ("/fish*", "/fish"), ("/fish*.php", "/fishheads/catfish.php?parameters"), ("/*.php$", "/folder/filename.php"),
        ("*", "/"), ("/a*b*c$", "/abbbcbc"), ("/**a", "/xa"),
    ],
)  # fmt: skip
def test_patterns_that_match(pattern, target):
    assert not parse_robots(f"User-agent: *\nDisallow: {pattern}".encode()).allows(target)


@pytest.mark.parametrize(
    ("pattern", "target"),
    [
        ("/fish", "/Fish.asp"), ("/fish", "/catfish"), ("/fish/", "/fish"), ("/*.php$", "/filename.php?parameters"),
        ("/this/path/exactly$", "/this/path/exactly/not"), ("/a%2Fb", "/a/b"), ("/ab*ba$", "/aba"), ("", "/"),
        ("private", "/private"), ("/a*b*c$", "/abcd"), ("/path/foo-%24", "/path/foo-"),
    ],
)  # fmt: skip
def test_patterns_that_do_not_match(pattern, target):
    assert parse_robots(f"User-agent: *\nDisallow: {pattern}".encode()).allows(target)


@pytest.mark.parametrize("lines", ["Allow: /p\nDisallow: /p", "Disallow: /p\nAllow: /p", "Disallow: /p\nAllow: /*"])
def test_of_equally_long_patterns_allow_wins(lines):
    assert parse_robots(f"User-agent: *\n{lines}".encode()).allows("/page")


def test_rules_for_us_replace_those_for_all():
    robots = parse_robots(b"User-agent: *\nDisallow: /\n\nUser-agent: clip_pipeline/0.1\nDisallow: /private\n")
    assert robots.allows("/a.jpg")
    assert not robots.allows("/private/a.jpg")


@pytest.mark.parametrize("robot", ["clip", "clip_pipeline_two", "pipeline", "my-clip_pipeline"])
def test_rules_for_a_robot_whose_name_is_like_ours_are_not_for_us(robot):
    robots = parse_robots(f"User-agent: {robot}\nAllow: /\n\nUser-agent: *\nDisallow: /\n".encode())
    assert not robots.allows("/a.jpg")


def test_leave_to_read_an_index_is_no_leave_to_read_its_folder():
    robots = parse_robots(b"User-agent: *\nDisallow: /\nAllow: /index.html\n")
    assert robots.allows("/index.html") and not robots.allows("/")


def test_other_lines_do_not_end_the_list_of_robots():
    text = b"User-agent: a\nSitemap: http://x/\nCrawl-delay: 5\nnonsense\nUser-agent: clip_pipeline\nDisallow: /\n"
    robots = parse_robots(text)
    assert not robots.allows("/x")
    assert robots.crawl_delay == 5.0


@pytest.mark.parametrize(
    ("value", "seconds"), [("2", 2.0), ("0.5", 0.5), ("-1", 0.0), ("nan", 0.0), ("inf", 0.0), ("x", 0.0)]
)
def test_a_crawl_delay_is_a_number_of_seconds(value, seconds):
    assert parse_robots(f"User-agent: *\nCrawl-delay: {value}".encode()).crawl_delay == seconds


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_comments_and_line_ends_of_all_kinds(end):
    text = end.join(["\ufeffUser-agent: * # all", "Disallow : /a # not this", "", "# the end"])
    robots = parse_robots(text.encode())
    assert not robots.allows("/a")
    assert robots.allows("/b")


PATHS = st.lists(st.sampled_from(["a", "b", "ab", "c.jpg"]), max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(
    st.dictionaries(st.sampled_from(["*", "clip_pipeline", "otherbot"]), st.lists(PATHS, min_size=1, max_size=4)), PATHS
)
def test_the_standard_librarys_parser_agrees_where_order_does_not_matter(groups, path):
    lines = [
        line
        for robot, paths in groups.items()
        for line in (f"User-agent: {robot}", *(f"Disallow: {p}" for p in paths), "")
    ]
    reference = urllib.robotparser.RobotFileParser()
    reference.parse(lines)
    assert parse_robots("\n".join(lines).encode()).allows(path) == reference.can_fetch("clip_pipeline", path)


@given(st.binary(max_size=300), st.text(max_size=40))
def test_no_robots_txt_raises(content, target):
    assert parse_robots(b"User-agent: *\n" + content).allows("/" + target) in (True, False)


def test_hostile_patterns_and_many_rules_are_fast():
    stars = b"User-agent: *\nDisallow: /" + b"*a" * 2000 + b"b$"
    many = b"User-agent: *\n" + b"".join(b"Disallow: /folder-%d/\n" % number for number in range(20_000))
    robots = [parse_robots(stars), parse_robots(many)]
    started = time.process_time()
    for _ in range(20):
        assert robots[0].allows("/" + "a" * 8000)
        assert not robots[1].allows("/folder-19999/a.jpg")
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("values", "directive"),
    [
        (["noai"], "noai"), (["noimageai"], "noimageai"), (["NoIndex, nofollow"], "noindex"), (["noimageindex"], "noimageindex"),
        (["none"], "none"), (["nofollow", "noai"], "noai"), (["clip_pipeline: noai"], "noai"), (["CLIP_Pipeline:noai"], "noai"),
        (["*: noindex"], "noindex"), (["otherbot: noindex", "noai"], "noai"),
        (["otherbot: noindex, clip_pipeline: nofollow, noai"], "noai"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST, noai"], "noai"), (["max-snippet:20, noindex"], "noindex"),
        (["all"], None), (["otherbot: noindex"], None), (["otherbot: noindex, noai"], None), (["nofollow, noarchive"], None),
        ([""], None), ([], None), (["noaiming"], None), (["max-image-preview: none"], None),
    ],
)  # fmt: skip
def test_which_x_robots_tags_forbid_a_photo(values, directive):
    assert forbidding_directive(values) == directive
