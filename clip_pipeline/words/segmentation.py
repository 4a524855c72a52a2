"""Text that is written without spaces, cut into words by ICU: Chinese, Japanese, Thai, Lao, Khmer and Burmese.

Which text is cut is decided by the wiki's language, for whole dumps: a few words of Thai in an English article stay as they are written.
"""

from __future__ import annotations

import importlib.util
import re

from clip_pipeline.errors import SettingsError

CUT_LANGUAGES = {
    "zh": "zh", "yue": "zh", "zh-yue": "zh", "wuu": "zh", "gan": "zh", "lzh": "zh", "zh-classical": "zh", "ja": "ja", "th": "th",
    "lo": "lo", "km": "km", "my": "my",
}  # fmt: skip
"""Languages that write no spaces between words and whose words ICU knows, with the dictionary that it takes for each."""
BETWEEN_WORDS = "\u200b"
"""The zero-width space, which separates words for the counter and is none itself."""
EXTRA = "segmentation"

_RUN = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U000323af]{2,}"
)


class Segmenter:
    """Cuts runs of the scripts without spaces; text of other scripts is left. For one thread.

    locale: the language, as ICU calls it; which dictionary is taken goes by the script.
    """

    def __init__(self, locale: str = "en"):
        from icu4py.breakers import WordBreaker

        self._breaker = WordBreaker
        self._locale = locale

    def words_of(self, run: str) -> list[str]:
        """The words of a run of letters without spaces."""
        return list(self._breaker(run, self._locale))

    def cut(self, text: str) -> str:
        """The text with BETWEEN_WORDS between the words of each run."""
        return _RUN.sub(lambda match: BETWEEN_WORDS.join(self.words_of(match.group())), text)


def has_no_spaces(text: str) -> bool:
    """Whether a run of letters of a script without spaces is in the text."""
    return not text.isascii() and _RUN.search(text) is not None


def can_segment() -> bool:
    """Whether ICU is installed."""
    return importlib.util.find_spec("icu4py") is not None


def locale_of(language: str) -> str:
    """The locale by whose dictionary text of a wiki's language is cut, "" where the language has spaces."""
    code = language.lower().replace("_", "-")
    return CUT_LANGUAGES.get(code) or CUT_LANGUAGES.get(code.partition("-")[0], "")


def segmenter_of(language: str, segmentation: str = "auto") -> Segmenter | None:
    """What cuts the text of a wiki, None where nothing is to be cut. segmentation: the setting, auto or none.

    Raises SettingsError where text is to be cut and ICU is not installed.
    """
    locale = locale_of(language)
    if segmentation == "none" or not locale:
        return None
    if not can_segment():
        raise SettingsError(
            f'The dump\'s language, "{language}", is written without spaces, so that its words cannot be counted as they stand. '
            f'Install what cuts them: pip install "clip_pipeline[{EXTRA}]". Or take what stands between marks of punctuation '
            "for words: words.segmentation=none."
        )
    return Segmenter(locale)
