"""Files with a checksum of their own: read as they were written, or refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clip_pipeline.errors import DamagedFileError
from clip_pipeline.storage.checked_json import CHECKSUM, checked_text, read_checked
from clip_pipeline_tests.made.damage import KINDS, damage, mutations

JSON = st.one_of(
    st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.lists(st.text(max_size=5))
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=5).filter(lambda name: name != CHECKSUM), JSON, max_size=4))
def test_what_is_written_is_read(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "round.json"
    path.write_text(checked_text(value))
    read = read_checked(path)
    assert read.value == json.loads(json.dumps(value))
    assert read.has_checksum
    assert json.loads(path.read_text())[CHECKSUM], "any other program reads it too"


OBJECTS = ("an empty object", "NaN", "a lone surrogate", "wrong types")
"""Are JSON objects: who reads them looks at their values."""

VALUE = {"asset": "vocabulary", "files": {"words.txt": {"bytes": 3, "sha256": "ab" * 32}}, "seconds": 1.5}


@settings(max_examples=400)
@given(mutations(checked_text(VALUE).encode()))
def test_a_changed_file_is_refused_or_says_the_same(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "changed.json"
    path.write_bytes(content)
    try:
        read = read_checked(path)
        assert not read.has_checksum or read.value == VALUE, "who reads one without looks at every name in it"
    except DamagedFileError as error:
        assert str(error)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in OBJECTS])
def test_whatever_lies_in_its_place_is_refused_with_a_reason_and_never_waited_for(tmp_path, kind):
    path = tmp_path / "state.json"
    path.write_text(checked_text(VALUE))
    damage(path, kind)
    with pytest.raises(DamagedFileError):
        read_checked(path)


def test_a_file_of_before_is_read_and_said_to_have_no_checksum(tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps(VALUE))
    assert read_checked(path).value == VALUE
    assert not read_checked(path).has_checksum


def test_a_file_that_would_be_too_large_to_be_read_again_is_not_written():
    with pytest.raises(DamagedFileError, match="more than the .* that are read again"):
        checked_text({"text": "x" * 2**25})


def test_an_unreadable_file_is_the_systems_error(tmp_path: Path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = tmp_path / "state.json"
    path.write_text(checked_text(VALUE))
    path.chmod(0)
    with pytest.raises(PermissionError):
        read_checked(path)
