"""The code server ends with the process that holds its definitions."""

import subprocess
import sys

import pytest

SERVER = """
import subprocess, sys, time
from clip_pipeline.defs import code_server
code_server.SECONDS_BETWEEN_LOOKS = 0.05
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "api", "grpc"])
code_server.end_without_definitions()
time.sleep(0.5)
print("goes on", flush=True)
child.kill()
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="children are read from /proc")
def test_a_code_server_whose_definitions_were_killed_ends_and_can_be_started_again():
    done = subprocess.run([sys.executable, "-c", SERVER], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "goes on\n"), done.stderr
