"""Wikitext of the sandbox's articles as the HTML that Parsoid, or the web page, makes of it: enough of it for tests."""

from __future__ import annotations

import html
import re

_TEMPLATE = re.compile(r"\{\{(?:[^{}]|\{\{(?:[^{}]|\{\{[^{}]*\}\})*\}\})*\}\}")
SHOWN = {"convert": "60 metres (200 ft)", "lang": "ελληνικά"}
BOXES = {"Infobox": "infobox", "About": "hatnote", "Short description": "shortdescription", "Reflist": "reflist"}


def render(wikitext: str, title: str, parsoid: bool = True) -> str:
    """A whole document. parsoid: with Parsoid's marks; else with the classes of the web page alone."""
    kept: list[str] = []

    def keep(markup: str) -> str:
        kept.append(markup)
        return f"\ue000{len(kept) - 1}\ue001"

    text = re.sub(r"<!--.*?-->", "", wikitext, flags=re.S)
    text = re.sub(r"<nowiki>(.*?)</nowiki>", lambda m: keep(f"<span typeof='mw:Nowiki'>{m[1]}</span>"), text)
    text = re.sub(r"<ref[^>]*?/>|<ref[^>]*>.*?</ref>", lambda m: keep(_reference(parsoid)), text, flags=re.S)
    text = re.sub(r"<math>(.*?)</math>", lambda m: keep(_formula(m[1], parsoid)), text, flags=re.S)
    text = re.sub(r"<gallery[^>]*>(.*?)</gallery>", lambda m: keep(_gallery(m[1], parsoid)), text, flags=re.S)
    text = _TEMPLATE.sub(lambda m: keep(_template(m[0], len(kept), parsoid)), text)
    text = re.sub(r"^\{\|.*?^\|\}", lambda m: keep(_table(m[0])), text, flags=re.S | re.M)
    text = re.sub(r"\[\[File:((?:[^\[\]]|\[\[[^\]]*\]\])*)\]\]", lambda m: keep(_image(m[1], parsoid)), text)
    text = re.sub(
        r"\[\[(?:Category|[a-z]{2}):[^\]]*\]\]", lambda m: keep('<link rel="mw:PageProp/Category" href="./C">'), text
    )
    text = _links(text)
    text = re.sub(
        r"\[https?://\S+ ([^\]]*)\]", r'<a rel="mw:ExtLink nofollow" class="external text" href="x">\1</a>', text
    )
    text = re.sub(r"'''(.*?)'''", r"<b>\1</b>", text)
    text = re.sub(r"''(.*?)''", r"<i>\1</i>", text)
    body = "\n".join(map(_block, text.split("\n")))
    while "\ue000" in body:
        body = re.sub("\ue000(\\d+)\ue001", lambda m: kept[int(m[1])], body)
    if not parsoid:
        body += '<div id="catlinks" class="catlinks"><a href="x">Categories: markuponly</a></div>'
    return f"<!DOCTYPE html><html><head><title>{html.escape(title)} markuponly</title></head><body>{body}</body></html>"


def _links(text: str) -> str:
    return re.sub(r"\[\[(?:[^\]|]*\|)?([^\]]*)\]\]", r'<a rel="mw:WikiLink" href="./X" title="markuponly">\1</a>', text)


def _block(line: str) -> str:
    if not line.strip():
        return ""
    if found := re.fullmatch(r"==+ *(.*?) *==+", line):
        edit = '<span class="mw-editsection">[<a href="x">markuponly</a>]</span>'
        return f'<div class="mw-heading"><h2 id="x">{found[1]}</h2>{edit}</div>'
    if line[0] in "*#":
        return f"<ul><li>{line.lstrip('*# ')}</li></ul>"
    return f"<p>{line}</p>"


def _reference(parsoid: bool) -> str:
    kind = 'typeof="mw:Extension/ref" class="mw-ref reference"' if parsoid else 'class="reference"'
    return f'<sup {kind}><a href="#r"><span class="mw-reflink-text">[1]</span></a></sup>'


def _formula(tex: str, parsoid: bool) -> str:
    kind = 'typeof="mw:Extension/math"' if parsoid else ""
    inside = f"<math><mi>markuponly</mi><annotation>{html.escape(tex)}</annotation></math>"
    return f'<span class="mwe-math-element" {kind}>{inside}</span>'


def _gallery(rows: str, parsoid: bool) -> str:
    kind = 'typeof="mw:Extension/gallery"' if parsoid else ""
    captions = (row.rpartition("|")[2] for row in rows.strip().splitlines())
    items = "".join(
        f'<li class="gallerybox">{"" if caption.startswith("alt=") else caption}</li>' for caption in captions
    )
    return f'<ul class="gallery" {kind}>{items}</ul>'


def _image(inside: str, parsoid: bool) -> str:
    caption = _links(re.split(r"\|(?![^\[]*\]\])", inside)[-1])
    if parsoid:
        image = '<a href="./File:X"><img alt="markuponly" src="x"></a>'
        return (
            f'<figure typeof="mw:File/Thumb" class="mw-halign-left">{image}<figcaption>{caption}</figcaption></figure>'
        )
    magnify = '<div class="magnify"><a title="markuponly">markuponly</a></div>'
    return f'<div class="thumb tleft"><div class="thumbinner"><img alt="markuponly"><div class="thumbcaption">{magnify}{caption}</div></div></div>'


def _table(rows: str) -> str:
    words = " ".join(re.findall(r"\w+", rows))
    return f'<table class="wikitable"><caption>markuponly</caption><tbody><tr><td>{words}</td></tr></tbody></table>'


def _template(markup: str, number: int, parsoid: bool) -> str:
    name = re.split(r"[|}\n]", markup[2:])[0].strip()
    mark = (
        f'about="#mwt{number}" typeof="mw:Transclusion" data-mw=\'{{"parts":[{{"template":{{}}}}]}}\''
        if parsoid
        else ""
    )
    for box, css in BOXES.items():
        if name.startswith(box):
            # Of the elements that a template made only the first is marked; the others share its name.
            rest = f'<style about="#mwt{number}">.markuponly{{}}</style><p about="#mwt{number}">markuponly</p>'
            tag = "table" if box == "Infobox" else "div"
            inside = "<tr><td>markuponly</td></tr>" if tag == "table" else "markuponly"
            return f'<{tag} class="{css}" {mark}>{inside}</{tag}>' + (rest if parsoid else "")
    return f"<span {mark}>{SHOWN[name]}</span>" if name in SHOWN else ""
