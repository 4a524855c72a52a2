"""Function words by language: frequent in any text, describing no image. The lists are in `stop_word_lists/`."""

from __future__ import annotations

import functools
from pathlib import Path

from clip_pipeline.errors import InputError, SettingsError
from clip_pipeline.sources.tables.text_files import lines_of, read_text

_LISTS = Path(__file__).parent / "stop_word_lists"


def stop_word_languages() -> list[str]:
    """Codes of the languages that have a list, such as en."""
    return sorted(path.stem for path in _LISTS.glob("*.txt"))


@functools.cache
def stop_words_of(language: str) -> frozenset[str]:
    """The function words of one language, in lower case. Raises SettingsError for a language without a list."""
    if language not in stop_word_languages():
        raise SettingsError(
            f'There is no list of stop words for "{language}" (words.stop_words). There are lists for '
            f"{', '.join(stop_word_languages())}; give a file of your own with one word a line, or none."
        )
    return frozenset((_LISTS / f"{language}.txt").read_text(encoding="utf-8").split())


def stop_words_file(choice: str) -> Path | None:
    """The file that `words.stop_words` names, None where it names languages or none."""
    path = Path(choice).expanduser()
    return path if choice and path.is_file() else None


def choose_stop_words(choice: str) -> frozenset[str]:
    """The words to drop for a value of `words.stop_words`: none, languages separated by commas, or a file.

    Raises SettingsError for a language without a list, InputError for a file that is missing or no text.
    """
    if choice.strip() in ("", "none"):
        return frozenset()
    path = stop_words_file(choice)
    if path is None:
        if "/" in choice or choice.endswith(".txt"):
            raise InputError(
                f"There is no file {choice} (words.stop_words). Give one with a word a line, or a language."
            )
        languages = [code.strip().lower() for code in choice.split(",") if code.strip()]
        return frozenset().union(*map(stop_words_of, languages))
    lines = lines_of(read_text(path, InputError))
    return frozenset(line.strip().lower().replace("’", "'") for line in lines if line.strip())
