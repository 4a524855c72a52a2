"""What every language of MediaWiki calls namespaces, picture options, redirects and switches, out of its message files.

    python docs/wiki_names.py MEDIAWIKI      # writes clip_pipeline/words/wiki_names.json

MEDIAWIKI: a folder of MediaWiki's source, of any version from 1.35 on: its git repository or what Debian's package `mediawiki`
holds under usr/share/mediawiki. Read are languages/messages/Messages*.php and the list of languages, Names.php. Only names are
taken: facts of the wikis, no code. A name that English or a fallback has as well stands there once.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "clip_pipeline" / "words" / "wiki_names.json"
NAMESPACES = {
    name: number - 2
    for number, name in enumerate(
        ["MEDIA", "SPECIAL", "", "TALK", "USER", "USER_TALK", "PROJECT", "PROJECT_TALK", "FILE", "FILE_TALK", "MEDIAWIKI",
         "MEDIAWIKI_TALK", "TEMPLATE", "TEMPLATE_TALK", "HELP", "HELP_TALK", "CATEGORY", "CATEGORY_TALK"]
    )
    if name
}  # fmt: skip
OF_OTHER_EXTENSIONS = {"en": ["thumbtime=$", "start=$", "end=$", "loop", "muted", "disablecontrols=$", "lossy=$"]}
"""Options of TimedMediaHandler and PagedTiffHandler, whose files are elsewhere."""
OTHER_CODES = (
    *(
        "simple",
        "tokipona",
        "eml",
        "nah",
        "mo",
        "nb",
        "no",
        "als",
        "bat-smg",
        "be-x-old",
        "cbk-zam",
        "fiu-vro",
        "map-bms",
        "nds-nl",
    ),
    *(
        "roa-rup",
        "roa-tara",
        "zh-classical",
        "zh-min-nan",
        "zh-yue",
        "bh",
        "cz",
        "dk",
        "epo",
        "jp",
        "minnan",
        "zh-cfr",
        "nan",
        "test",
    ),
)
"""Prefixes of the Wikipedias, of today and of years ago, that are no code of a language in Names.php."""
MAX_BYTES = 400_000

_STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mediawiki", type=Path)
    root = parser.parse_args().mediawiki
    version = re.search(r"'MW_VERSION', '([^']+)'", (root / "includes" / "Defines.php").read_text())
    languages = {code_of(path): read_language(path.read_text()) for path in sorted(message_files(root))}
    english = languages["en"]
    english["options"] = list(dict.fromkeys([*english["options"], *OF_OTHER_EXTENSIONS["en"]]))
    redirects = sorted({name for one in languages.values() for name in one.pop("redirects")})
    switches = sorted({name for one in languages.values() for name in one.pop("switches")})
    for code, one in languages.items():
        if code != "en":
            one["options"] = [option for option in one["options"] if option not in english["options"]]
    rows = {code: {key: value for key, value in one.items() if value} for code, one in languages.items()}
    lines = ",\n".join(f"  {json.dumps(code)}: {as_json(one)}" for code, one in sorted(rows.items()) if one)
    text = (
        '{"source": ' + json.dumps(f"MediaWiki {version[1] if version else '?'}, languages/messages; written by docs/wiki_names.py")
        + f',\n "redirects": {as_json(redirects)},\n "switches": {as_json(switches)},\n "codes": {as_json(language_codes(root))},\n'
        + f' "languages": {{\n{lines}\n }}}}\n'
    )  # fmt: skip
    if len(text.encode()) > MAX_BYTES:
        raise SystemExit(f"The names have {len(text.encode()):,} bytes, more than {MAX_BYTES:,}: see what was read.")
    TARGET.write_text(text, encoding="utf-8")
    sys.stdout.write(
        f"{len(rows)} languages, {len(redirects)} redirects, {len(switches)} switches, {len(text.encode()):,} bytes\n"
    )


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def message_files(root: Path) -> list[Path]:
    return [
        path for path in (root / "languages" / "messages").glob("Messages*.php") if path.stem not in ("MessagesQqq",)
    ]


def code_of(path: Path) -> str:
    return path.stem.removeprefix("Messages").lower().replace("_", "-")


def read_language(php: str) -> dict:
    """namespaces: names by number; options, redirects, switches; fallback: the languages asked next."""
    php = re.sub(rf"({_STRING})|/\*.*?\*/|(?:#|//)[^\n]*", lambda match: match[1] or "", php, flags=re.DOTALL)
    namespaces: dict[str, list[str]] = {}
    for key, name in re.findall(rf"NS_(\w+)\s*=>\s*({_STRING})", array_of(php, "namespaceNames")):
        add_name(namespaces, key, name)
    for name, key in re.findall(rf"({_STRING})\s*=>\s*NS_(\w+)", array_of(php, "namespaceAliases")):
        add_name(namespaces, key, name)
    words = {
        key: [name for name in map(unquote, re.findall(_STRING, values)) if name not in ("0", "1")]
        for key, values in re.findall(r"'(\w+)'\s*=>\s*\[([^\]]*)\]", array_of(php, "magicWords"))
    }
    fallback = re.search(r"\$fallback\s*=\s*'([^']*)'", php)
    return {
        "namespaces": namespaces,
        "options": list(
            dict.fromkeys(option(key, name) for key, names in words.items() if key.startswith("img_") for name in names)
        ),
        "redirects": [small(name[1:]) for name in words.get("redirect", []) if name.startswith("#")],
        "switches": [
            small(name[2:-2])
            for names in words.values()
            for name in names
            if len(name) > 4 and name.startswith("__") and name.endswith("__")
        ],
        "fallback": [code.strip() for code in fallback[1].split(",") if code.strip() != "en"] if fallback else [],
    }


def array_of(php: str, name: str) -> str:
    """What stands between the brackets of `$name = [ ... ];`."""
    match = re.search(rf"\${name}\s*=\s*\[(.*?)\n?\];", php, re.DOTALL)
    return match[1] if match else ""


def add_name(namespaces: dict[str, list[str]], key: str, quoted: str) -> None:
    """Names with $1 hold the wiki's own, which its dump tells."""
    name = unquote(quoted).replace("_", " ")
    if key in NAMESPACES and "$1" not in name:
        names = namespaces.setdefault(str(NAMESPACES[key]), [])
        if name not in names:
            names.append(name)


def option(key: str, name: str) -> str:
    """# stands for a number and $ for anything: "#px", "upright=#", "page #", "alt=$"."""
    number = key in ("img_width", "img_upright") or not name.endswith("=$1")
    return small(name.replace("_", " ").replace("$1", "#" if number else "$"))


def small(name: str) -> str:
    """In lower case, and the Turkish İ an i, as the scanner reads it."""
    return name.replace("İ", "i").lower()


def unquote(quoted: str) -> str:
    text = quoted[1:-1]
    if quoted[0] == '"':
        text = re.sub(r"\\u\{([0-9A-Fa-f]+)\}", lambda match: chr(int(match[1], 16)), text)
        text = re.sub(r"\\x([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text)
    return re.sub(r"\\(.)", r"\1", text)


def language_codes(root: Path) -> list[str]:
    (path,) = (one for one in root.glob("**/languages/data/Names.php"))
    codes = re.findall(r"^\s*'([a-z][a-z-]+)' => '", path.read_text(), re.MULTILINE)
    return sorted({*codes, *OTHER_CODES})


if __name__ == "__main__":
    main()
