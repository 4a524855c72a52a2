"""The report's two forms, from one context: a page that carries its figures and photos inside, and Markdown beside its figures.

The templates lie in `templates/`. The page is escaped by jinja2; what comes of words that others wrote (class names,
captions, names of datasets) is escaped in the Markdown as well, whose readers let HTML through.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.display.printable import printable
from clip_pipeline.evaluation.report.terminal_table import percent

if TYPE_CHECKING:
    import jinja2

MARKDOWN_SPECIAL = re.compile(r"[\\`*\[\]<>|~]|&(?=#?\w+;)")


def page_text(content: Mapping[str, Any], folder: Path) -> str:
    """One HTML file, no script, light or dark as the reader's system is. content: of `report_content`.

    folder: where its figures lie; they are read and embedded.
    """
    environment = _environment(autoescape=True)
    environment.filters |= {"data_url": data_url, "percent": percent, "css_percent": _css_percent}
    embedded = partial(_embedded, folder)
    return environment.get_template("report.html.jinja").render(content, embedded=embedded, zip=_zip_strict)


def markdown_text(content: Mapping[str, Any]) -> str:
    """The whole document; figures are linked relative to its folder. content: of `report_content`."""
    environment = _environment(autoescape=False)
    environment.filters |= {"md": escape_markdown, "fenced": fenced}
    text = environment.get_template("report.md.jinja").render(content)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def data_url(content: bytes, kind: str) -> str:
    """An image as the address of itself. kind: `png` or `jpeg`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def escape_markdown(text: object) -> str:
    """A text that stands in a line or a cell of Markdown for itself, whatever it holds."""
    return MARKDOWN_SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split()))


def fenced(text: str, language: str) -> str:
    """A block of code, its fence longer than any in the text."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _environment(autoescape: bool) -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("clip_pipeline.evaluation.report"),
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """What stands in the report: texts without what turns letters round, marked up as they were."""
    return type(value)(printable(value)) if isinstance(value, str) else value


def _embedded(folder: Path, path: str) -> str:
    return data_url((folder / path).read_bytes(), "png")


def _css_percent(share: float) -> str:
    return f"{100 * share:.1f}%"


_zip_strict = partial(zip, strict=True)
