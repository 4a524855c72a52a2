"""Every error that clip_pipeline raises on purpose.

    ClipPipelineError
    ├── SettingsError          an unknown recipe, setting or value
    │   └── MissingRuntimeError    a way to run a model that this machine, or this model, does not allow
    ├── InputError             a user's file is not what was expected
    │   ├── DumpError          a Wikipedia dump: missing, cut, no XML, unknown compression
    │   ├── CaptionsError      a caption file: missing column, unknown format, nothing in it
    │   ├── PhotosError        a folder or tar without photos
    │   ├── ImageError         bytes that are no image, or numbers of an unknown range
    │   ├── DatasetError       an evaluation dataset: unknown name, one class, missing split
    │   └── ModelError         a model folder: missing files, wrong shapes, wrong tokenizer
    ├── SourceError            a remote service
    │   ├── UnavailableError   out of reach or overloaded: the one error that may pass
    │   │   └── OutageError        too many photos could not be had for now
    │   ├── MissingKeyError    no key, or the terms were not acknowledged
    │   └── BudgetSpentError   the request budget is used up and waiting is longer than allowed
    ├── StoreError             the artifact folder
    │   ├── MissingArtifactError   an input was never materialised
    │   │   ├── OldArtifactError   an input was made by an older version, in another form
    │   │   └── UnreadableArtifactError  an input's manifest is damaged, or its files were found damaged and set aside
    │   ├── WithheldArtifactError  an input failed, or a blocking check of it, earlier in the same run
    │   ├── DamagedArtifactError   files do not match their manifest
    │   ├── DamagedFileError   a file of the program's own (manifest, cache) is not as it was written; the text is the reason
    │   └── DiskError          full, read-only or not reachable
    ├── ShapeError             ids or shapes of two things that belong together do not agree
    ├── DecoderError           no process that decodes photos can be started
    ├── EmbeddingProcessError  a process that embeds photos ended before its work did
    ├── BuildProcessError      a process that builds an artifact ended before its work did
    ├── PageError              the Dagster page cannot be started here
    ├── TrainingError          training cannot go on: loss not finite, no pairs, ...
    └── RunFailedError         the end of a run in which something failed: the list of it

Each message is one to three sentences: what was found, what was expected, what to do. Where what to do depends on where
it is read, at a terminal or on a page in a browser, the error holds a remedy instead of the last sentence.
The command line prints the message and exits with status 1; it never prints a traceback for one of these. A dead link or
a broken photo is no error: it is a row with a status (see `records.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Materialise:
    """An artifact is to be built. partition: "" for an asset without. again: although it is fresh. alone: what it reads is there."""

    asset: str
    partition: str = ""
    again: bool = False
    alone: bool = False

    @property
    def artifact(self) -> str:
        """`clip_checkpoint[tiny_test]`."""
        return f"{self.asset}[{self.partition}]" if self.partition else self.asset

    def __str__(self) -> str:
        return f"Materialise {self.artifact} {'again' if self.again else 'first'}."


@dataclass(frozen=True)
class AnotherDataFolder:
    """Another data folder is to be chosen. otherwise: what would help too, as the beginning of the sentence."""

    otherwise: str

    def __str__(self) -> str:
        return f"{self.otherwise}, or choose another data folder."


@dataclass(frozen=True)
class Command:
    """Something that only a command of the terminal does. purpose: what it does, as the beginning of the sentence."""

    purpose: str
    command: str

    def __str__(self) -> str:
        return f"{self.purpose} with: {self.command}"


Remedy = Materialise | AnotherDataFolder | Command


class ClipPipelineError(Exception):
    """Base of every error raised on purpose; its text is meant for the person who reads it.

    found: what was found and expected. remedy: what to do, where that is said otherwise at a terminal and on the page; the
    text of the error then ends with its neutral sentence.
    """

    def __init__(self, found: str = "", remedy: Remedy | None = None):
        super().__init__(f"{found} {remedy}" if remedy else found)
        self.found = found
        self.remedy = remedy


class SettingsError(ClipPipelineError):
    """An unknown recipe, setting, asset or value."""


class MissingRuntimeError(SettingsError):
    """A runtime that this machine, or this model, does not allow."""


class InputError(ClipPipelineError):
    """A user's file is not what was expected."""


class DumpError(InputError):
    """A Wikipedia dump is missing, cut, not XML or in an unknown compression."""


class CaptionsError(InputError):
    """A caption file lacks a column, is in an unknown format or holds nothing."""


class PhotosError(InputError):
    """A folder or tar holds no photos."""


class ImageError(InputError):
    """Bytes that cannot be decoded as an image; the text is the reason, which the caller makes a row or a sentence of."""


class DatasetError(InputError):
    """An evaluation dataset is unknown or incomplete."""


class ModelError(InputError):
    """A model folder lacks files or does not fit what is asked of it."""


class SourceError(ClipPipelineError):
    """A remote service answered in a way that trying again will not mend, but for `UnavailableError`."""


class UnavailableError(SourceError):
    """A remote service could not be reached, or was overloaded, and gave no answer for as long as it was asked."""


class OutageError(UnavailableError):
    """So many photos could not be had for a reason which may pass that the result would be one of the outage, not of the hosts."""


class MissingKeyError(SourceError):
    """A key or an acknowledgement of terms is missing."""


class BudgetSpentError(SourceError):
    """The request budget is used up and the wait is longer than allowed."""


class StoreError(ClipPipelineError):
    """The artifact folder."""


class MissingArtifactError(StoreError):
    """An input was never materialised."""


class OldArtifactError(MissingArtifactError):
    """An input was made by an older version, in another form."""


class UnreadableArtifactError(MissingArtifactError):
    """An input's manifest is damaged, or `verify --repair` found its files damaged and set it aside: as good as missing."""


class WithheldArtifactError(StoreError):
    """An input is not to be used: it was not built, or a blocking check of it failed, earlier in the same run.

    reason: what failed first, such as "image_shards[00012] failed".
    """

    def __init__(self, found: str = "", reason: str = ""):
        super().__init__(found)
        self.reason = reason or found


class DamagedArtifactError(StoreError):
    """Files do not match their manifest."""


class DamagedFileError(StoreError):
    """A file of the program's own is not as it was written; the text is the reason, as in "is empty", which the caller makes a
    sentence of."""


class DiskError(StoreError):
    """The disk is full, read-only or not reachable."""


class ShapeError(ClipPipelineError):
    """Ids or shapes of two things that belong together do not agree."""


class DecoderError(ClipPipelineError):
    """No process that decodes photos can be started."""


class EmbeddingProcessError(ClipPipelineError):
    """A process that embeds photos ended before its work did."""


class BuildProcessError(ClipPipelineError):
    """A process that builds an artifact ended before its work did."""


class PageError(ClipPipelineError):
    """The Dagster page cannot be started here, or ended by itself."""


class TrainingError(ClipPipelineError):
    """Training cannot go on."""


class RunFailedError(ClipPipelineError):
    """Something of a run failed; what does not depend on it was done.

    failures: the error of each artifact, by a name such as "image_shards[00012]"; the check's sentence where one failed.
    skipped: a sentence for each asset of which something was left out.
    """

    def __init__(self, failures: Mapping[str, Exception | str], skipped: Sequence[str] = ()):
        self.failures, self.skipped = dict(failures), tuple(skipped)
        super().__init__(self.text())

    def text(self, in_words: Callable[[ClipPipelineError], str] = str) -> str:
        """The list, each error in the words of the place where it is read."""
        lines = [
            f"{name}: {error if isinstance(error, str) else error_sentence(error, in_words)}"
            for name, error in list(self.failures.items())[:MAX_LISTED]
        ]
        if len(self.failures) > MAX_LISTED:
            lines.append(f"and {len(self.failures) - MAX_LISTED:,} more")
        lines += [f"{sentence}." for sentence in self.skipped]
        if len(lines) == 1:
            return lines[0]
        count = "1 failure" if len(self.failures) == 1 else f"{len(self.failures):,} failures"
        title = f"{count}; what does not depend on it is done. The next run tries again what is missing."
        return "\n  ".join([title, *lines])


MAX_LISTED = 10


def error_sentence(error: Exception, in_words: Callable[[ClipPipelineError], str] = str) -> str:
    """Any error as a sentence. in_words: says those that are raised on purpose."""
    if isinstance(error, ClipPipelineError):
        return in_words(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}. Check the path and your right to write there."
    return f"{type(error).__name__}: {error} (the log has the traceback)"


def may_pass(error: BaseException) -> bool:
    """Whether another try, some time later, may not meet the error: true of the network, never of a missing input, a wrong setting
    or a file that is not what was expected."""
    return isinstance(error, UnavailableError)


MAX_LISTED_NAMES, FIRST_NAMES = 200, 10
"""Of kinds and settings all are shown, of photos some."""
MAX_COMPARED_NAMES = 20_000
"""Comparing takes some 20 µs a name."""


def nearest_name(wrong: str, right_names: Iterable[str]) -> str:
    """`Did you mean "x"?` where a close name exists, else the names, the first of very many; ends with no space."""
    names = sorted(right_names)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5) if len(names) <= MAX_COMPARED_NAMES else []
    if close:
        return f'Did you mean "{close[0]}"?'
    if len(names) > MAX_LISTED_NAMES:
        return f"Known: {', '.join(names[:FIRST_NAMES])} and {len(names) - FIRST_NAMES:,} more."
    return f"Known: {', '.join(names)}."
