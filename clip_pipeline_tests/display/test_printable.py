"""What others wrote does not move a cursor, rename a window or turn letters round where it is shown."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from clip_pipeline.display.printable import PrintableStream, printable, printable_line, terminal_of
from clip_pipeline.display.text_table import text_table
from clip_pipeline.evaluation.report.rendering import _environment
from clip_pipeline.machine.child_process import child_environment

EVIL = "a\x1b[2J\x1b]0;x\x07b\u202egpj.exe\x9b\r"


def test_orders_are_written_out_and_texts_stay():
    assert printable(EVIL) == "a\\x1b[2J\\x1b]0;x\\x07b\\u202egpj.exe\\x9b\\x0d"
    for text in ("plain", "köy 🐈 شکر\n\ttext", "a\u200db\u200c"):  # joiners belong to words
        assert printable(text) == text
    assert printable_line("a\nb\tc") == "a\\nb\\tc"
    assert printable("\ud800\U000e0041") == "\\ud800\\U000e0041"


def test_cells_of_tables_and_what_a_program_prints_are_printable():
    assert "\x1b" not in text_table([(EVIL, "b\nc")]) and text_table([(EVIL, "b\nc")]).count("\n") == 0
    below = io.StringIO()
    stream = PrintableStream(below)
    stream.write(EVIL)
    terminal_of(stream).write("\x1b[K")
    assert below.getvalue() == printable(EVIL) + "\x1b[K"
    assert terminal_of(below) is below


def test_the_report_shows_it_written_out_and_its_markup_as_it_is():
    template = _environment(autoescape=True).from_string("<p>{{ a }}</p>{{ '<b>'|safe }}")
    assert template.render(a=f"<i>{EVIL}") == f"<p>&lt;i&gt;{printable(EVIL)}</p><b>"


@pytest.mark.slow
def test_an_error_of_the_command_line_quotes_a_name_written_out(tmp_path):
    command = [
        sys.executable,
        "-m",
        "clip_pipeline",
        "embed",
        "--texts",
        f"{tmp_path}/{EVIL}",
        "-o",
        str(tmp_path / "o"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, env=child_environment({}), check=False)
    assert ran.returncode and "\x1b" not in ran.stderr and "\u202e" not in ran.stderr
