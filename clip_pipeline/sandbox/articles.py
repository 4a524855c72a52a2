"""The pages of the sandbox's Wikipedia, in wikitext with everything that makes wikitext hard to read.

What stands in templates, tables, references, comments and file options holds the word MARKUP_WORD, and no sentence
does: a reader that lets markup through counts it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from clip_pipeline.sandbox.prose import FOREIGN, Prose
from clip_pipeline.sandbox.scenes import COLOURS, OBJECTS, pick

MARKUP_WORD = "markuponly"

REDIRECT_SHARE, DISAMBIGUATION_SHARE, TALK_SHARE = 0.2, 0.03, 0.06
SENTENCES_LOW, SENTENCES_HIGH = 18, 46

ARTICLE, TALK, USER, PROJECT, FILE, TEMPLATE, CATEGORY = 0, 1, 2, 4, 6, 10, 14


@dataclass(frozen=True)
class Page:
    """One page. redirect: the title it leads to, "" for others."""

    title: str
    namespace: int
    text: str
    redirect: str = ""


def make_pages(seed: int, articles: int) -> Iterator[Page]:
    """`articles` articles, and in between redirects, disambiguation, talk, template, category, file and project pages."""
    titles: list[str] = []
    taken: set[str] = set()
    for index in range(articles):
        rng = random.Random(f"article {seed} {index}")
        prose = Prose(rng)
        title = _unused(_title(prose, index), taken, prose)
        titles.append(title)
        yield Page(title, ARTICLE, _article_text(prose, title, titles))
        if rng.random() < REDIRECT_SHARE:
            other = _unused(title.upper() if rng.random() < 0.3 else f"The {title}", taken, prose)
            yield Page(other, ARTICLE, f"#REDIRECT [[{title}]]\n\n{{{{R from alternative name}}}}", redirect=title)
        if rng.random() < DISAMBIGUATION_SHARE:
            yield Page(_unused(f"{title} (disambiguation)", taken, prose), ARTICLE, _disambiguation_text(prose, title))
        if rng.random() < TALK_SHARE:
            yield Page(f"Talk:{title}", TALK, _talk_text(prose))
        if index % 60 == 7:
            yield Page(f"Template:Infobox {prose.noun()} {index}", TEMPLATE, _template_text())
            yield Page(
                f"Category:{prose.noun().capitalize()}s of {prose.name()} {index}", CATEGORY, "[[Category:Main]]"
            )
            yield Page(
                f"File:{title}.jpg", FILE, f"== Summary ==\n{MARKUP_WORD}\n{{{{Information|author={prose.name()}}}}}"
            )
            yield Page(f"Wikipedia:{title} {index}", PROJECT, f"{MARKUP_WORD} {prose.sentence()}")


def _unused(title: str, taken: set[str], prose: Prose) -> str:
    while title in taken:
        title = f"{title} {prose.name()}"
    taken.add(title)
    return title


def _title(prose: Prose, index: int) -> str:
    if index < len(OBJECTS):
        return OBJECTS[index].capitalize()
    if index < len(OBJECTS) + len(COLOURS):
        return COLOURS[index - len(OBJECTS)].capitalize()
    form = int(prose.rng.random() * 8)
    if form < 4:
        return prose.name()
    if form == 4:
        return f"{prose.noun().capitalize()} of {prose.name()}"
    if form == 5:
        return f"{prose.colour().capitalize()} {prose.object()}"
    if form == 6:
        # A colon makes no namespace.
        return f"{prose.name()}: {prose.noun().capitalize()} of {prose.noun()}"
    return f"List of {prose.noun()}s in {prose.name()}"


def _article_text(prose: Prose, title: str, titles: list[str]) -> str:
    rng = prose.rng
    pieces = [_opening(prose, title), _lead(prose, title)]
    sentences = SENTENCES_LOW + int(rng.random() * (SENTENCES_HIGH - SENTENCES_LOW))
    headings = ["History", "Description", "Culture", "Economy", "Appearance"]
    while sentences > 0:
        count = min(sentences, 4 + int(rng.random() * 5))
        sentences -= count
        if headings and rng.random() < 0.6:
            pieces.append(f"== {headings.pop(0)} ==")
        pieces.append(" ".join(_marked_up(prose, sentence, titles) for sentence in prose.paragraph(count)))
        if rng.random() < 0.35:
            pieces.append(pick(rng, (_table, _gallery, _bullets, _formula, _figure))(prose))
    pieces.append(_ending(prose, titles))
    return "\n\n".join(pieces)


def _opening(prose: Prose, title: str) -> str:
    rng = prose.rng
    lines = []
    if rng.random() < 0.4:
        lines.append(f"{{{{Short description|{MARKUP_WORD} {prose.noun()}}}}}")
    if rng.random() < 0.3:
        lines.append(f"{{{{About|the {prose.noun()}|the {prose.noun()}|{title} (disambiguation)}}}}")
    if rng.random() < 0.6:
        lines.append(
            f"{{{{Infobox {prose.noun()}\n| name = {title}\n| image = {title}.jpg <!-- {MARKUP_WORD} -->\n"
            f"| caption = {MARKUP_WORD} in {{{{circa|{prose.year()}}}}}\n"
            f"| coordinates = {{{{coord|{int(rng.random() * 90)}|{int(rng.random() * 60)}|N|{int(rng.random() * 180)}|E"
            f"|display={{{{if|inline|title}}}}}}}}\n| population = {{{{formatnum:{int(rng.random() * 900000)}}}}}\n"
            f"| founded = {{{{start date|{prose.year()}}}}}{_reference(prose)}\n}}}}"
        )
    if rng.random() < 0.5:
        lines.append(_figure(prose))
    return "\n".join(lines)


def _lead(prose: Prose, title: str) -> str:
    rng = prose.rng
    foreign = f" ({{{{lang|de|{pick(rng, FOREIGN)}}}}}, ''{pick(rng, FOREIGN)}'')" if rng.random() < 0.4 else ""
    return (
        f"'''{title}'''{foreign} is a [[{prose.noun()}]] of the {prose.adjective()} [[{prose.noun()}|{prose.noun()}s]]"
        f"{_reference(prose)} near the {prose.place()}, known for a {prose.colour()} {prose.object()}. {prose.sentence()}"
    )


def _marked_up(prose: Prose, sentence: str, titles: list[str]) -> str:
    """The sentence with, now and then, a link, emphasis, entity, reference, comment or template in it."""
    chance = prose.rng.random()
    words = sentence.split(" ")
    place = 1 + int(prose.rng.random() * (len(words) - 2))
    if chance < 0.2:
        words[place] = f"[[{pick(prose.rng, titles)}|{words[place]}]]"
    elif chance < 0.3:
        words[place] = f"''{words[place]}''"
    elif chance < 0.36:
        return sentence.replace(" and ", "&nbsp;and ", 1).replace(", ", " &ndash; ", 1)
    elif chance < 0.52:
        return sentence + _reference(prose)
    elif chance < 0.55:
        return f"{sentence} <!-- {MARKUP_WORD}: check the [[source]] -->"
    elif chance < 0.58:
        words[place] = f"[https://www.example.org/{prose.noun()} {words[place]}]"
    elif chance < 0.61:
        return f"{sentence} It measures {{{{convert|{int(prose.rng.random() * 90)}|m|ft|abbr={MARKUP_WORD}}}}}."
    elif chance < 0.63:
        return f"{sentence} It is written <nowiki>[[{prose.noun()}]]</nowiki> &amp;amp; said otherwise."
    elif chance < 0.65:
        return f"{sentence} Its {prose.noun()}’s name is {pick(prose.rng, FOREIGN)}, a well-known {prose.noun()}."
    return " ".join(words)


def _reference(prose: Prose) -> str:
    form = int(prose.rng.random() * 3)
    if form == 0:
        return f'<ref name="{prose.name()}">{{{{cite book |title={MARKUP_WORD} {prose.noun()} |year={prose.year()}}}}}</ref>'
    if form == 1:
        return f'<ref name="{prose.name()}" />'
    return f"<ref>{prose.name()}, ''{MARKUP_WORD}'', [https://www.example.org/ {MARKUP_WORD}], p. {prose.year() // 9}</ref>"


def _figure(prose: Prose) -> str:
    side = pick(prose.rng, ("left", "right", "center"))
    return (
        f"[[File:{prose.name()} {MARKUP_WORD}.jpg|thumb|{side}|upright=1.2|alt={MARKUP_WORD}|"
        f"A [[{prose.colour()}]] {prose.object()} at the [[{prose.place()}|{prose.place()}]]]]"
    )


def _table(prose: Prose) -> str:
    rows = "\n".join(
        f'|-\n| {prose.name()} || {prose.year()} || style="text-align:left" | {MARKUP_WORD}'
        for _ in range(2 + int(prose.rng.random() * 4))
    )
    return f'{{| class="wikitable sortable"\n|+ {MARKUP_WORD}\n! Name !! Year !! {MARKUP_WORD}\n{rows}\n|}}'


def _gallery(prose: Prose) -> str:
    lines = "\n".join(f"File:{prose.name()}.jpg|alt={MARKUP_WORD} {prose.noun()}" for _ in range(3))
    return f'<gallery mode="packed">\n{lines}\n</gallery>'


def _bullets(prose: Prose) -> str:
    return "\n".join(f"* {prose.sentence()}" for _ in range(3)) + f"\n# {prose.sentence()}"


def _formula(prose: Prose) -> str:
    return f"The {prose.noun()} follows <math>\\frac{{a_{{{MARKUP_WORD}}}}}{{b}} = \\sqrt{{c}}</math> in all.<br />"


def _ending(prose: Prose, titles: list[str]) -> str:
    lines = [
        "== See also ==",
        *(f"* [[{pick(prose.rng, titles)}]]" for _ in range(2)),
        "",
        "== References ==",
        "{{Reflist|30em}}",
    ]
    lines += [
        "",
        f"{{{{DEFAULTSORT:{prose.name()}}}}}",
        f"[[Category:{MARKUP_WORD} {prose.noun()}s]]",
        "[[de:Beispiel]]",
    ]
    return "\n".join(lines)


def _disambiguation_text(prose: Prose, title: str) -> str:
    lines = "\n".join(f"* [[{title} ({prose.noun()})]], a {MARKUP_WORD} {prose.noun()}" for _ in range(4))
    marker = "{{Disambiguation}}" if prose.rng.random() < 0.6 else "{{disambig}}\n[[Category:Disambiguation pages]]"
    return f"'''{title}''' may refer to:\n{lines}\n\n{marker}"


def _talk_text(prose: Prose) -> str:
    return f"{{{{WikiProject {prose.noun()}}}}}\n== {prose.noun()} ==\n{MARKUP_WORD} {prose.sentence()} [[User:{prose.name()}]] ~~~~"


def _template_text() -> str:
    return f"<includeonly>{{{{Infobox|title={{{{{{name|}}}}}}|data1={MARKUP_WORD}}}}}</includeonly><noinclude>{MARKUP_WORD}</noinclude>"
