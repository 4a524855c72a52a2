"""A command that is asked to end says the same whoever asks, keeps what was finished, and goes on when it is run again."""

from __future__ import annotations

import signal
import tempfile
import time

import pytest

from clip_pipeline_tests.made.warm_python import start_python

RUN = "import sys; from clip_pipeline.cli.program import main; sys.argv = ['clip-pipeline', *sys.argv[1:]]; main()"
SENTENCE = "clip-pipeline: Stopped. What was finished is kept: run the same command again to go on."


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_kill_and_a_closed_terminal_end_alike(tmp_path, number):
    words = tmp_path / "words.txt"
    words.write_text("one two three\n")
    with tempfile.TemporaryFile("w+") as said:
        command = ["run", "--recipe", "tiny", "--data", tmp_path / "data", "--no-history"]
        process = start_python(["-c", RUN, *command], stderr=said)
        try:
            while not list((tmp_path / "data").glob(".locks/**/*.lock")):
                assert process.poll() is None
                time.sleep(0.02)
            process.send(number)
            assert process.wait(60) == 128 + number
        finally:
            process.kill()
        said.seek(0)
        lines = said.read()
    assert SENTENCE in lines and "Traceback" not in lines
