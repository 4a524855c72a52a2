"""A model folder with damage that hypothesis draws: it opens, or one sentence says why not."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.models.folder import open_model
from clip_pipeline_tests.made.tiny_model import build_tiny_model

FILES = ("open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json", "tokenizer_config.json")
ODD_VALUES = (None, True, -1, 0, 10**30, 1e308, "", "x", "a" * 300, [], {}, [[]], [None] * 3, {"a": {}})

few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("model"))


@contextlib.contextmanager
def copy_of(model: Path):
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(model, Path(folder, "model")))


def opens_or_is_a_sentence(folder: Path) -> None:
    try:
        open_model(folder)
    except ClipPipelineError as error:
        assert str(error).strip() and "Traceback" not in str(error)


@few
@given(name=st.sampled_from(FILES), place=st.floats(0, 1), junk=st.binary(max_size=20), cut=st.booleans())
def test_bytes_that_were_changed_or_cut_off(model, name, place, junk, cut):
    with copy_of(model) as folder:
        content = (folder / name).read_bytes()
        at = int(place * len(content))
        (folder / name).write_bytes(content[:at] + junk + (b"" if cut else content[at + len(junk) :]))
        opens_or_is_a_sentence(folder)


@few
@given(name=st.sampled_from([name for name in FILES if name.endswith("json")]), drawn=st.data())
def test_a_value_of_another_type_or_size(model, name, drawn):
    with copy_of(model) as folder:
        whole = value = json.loads((folder / name).read_text())
        while True:
            keys = list(value) if isinstance(value, dict) else list(range(len(value)))
            key = drawn.draw(st.sampled_from(keys))
            inside = isinstance(value[key], dict | list) and value[key]
            if not inside or drawn.draw(st.booleans()):
                break
            value = value[key]
        value[key] = drawn.draw(st.sampled_from(ODD_VALUES))
        (folder / name).write_text(json.dumps(whole))
        opens_or_is_a_sentence(folder)
