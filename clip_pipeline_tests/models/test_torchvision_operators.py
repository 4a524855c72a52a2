"""The two declarations that let torchvision be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_torchvision_transforms_can_be_imported_after_the_definition():
    result = run_python(
        "from clip_pipeline.models.torchvision_operators import define_missing_operators as define\n"
        "first, second = define(), define()\n"
        "import torch, torchvision.transforms\n"
        "assert not second\n"
        "assert first == (torch.version.cuda is None)\n"
        "assert not define()\n"
    )
    assert result.returncode == 0, result.stderr


def test_importing_the_models_imports_no_torch():
    result = run_python(
        "import sys, clip_pipeline.models.registry, clip_pipeline.models.folder, clip_pipeline.training.train\n"
        "import clip_pipeline.text.tokenizer_folder, clip_pipeline.text.captions\n"
        "heavy = {'torch', 'open_clip', 'transformers', 'matplotlib', 'tokenizers', 'timm'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    assert result.returncode == 0, result.stderr
