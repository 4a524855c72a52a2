"""Model folders whose author wants his own code to run: each leaves a canary, a file, where it gets its way."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONFIG, TOKENIZER = "open_clip_config.json", "tokenizer_config.json"
AUTO_MAP = {
    "AutoTokenizer": [None, "evil.EvilTokenizer"],
    "AutoConfig": "evil.EvilConfig",
    "AutoModel": "evil.EvilModel",
}


def attack_folder(name: str, model: Path, folder: Path) -> tuple[Path, Path]:
    """(a copy of a good model folder that attacks in the way of that name, the canary that must never be)."""
    shutil.copytree(model, folder)
    canary = folder.parent / f"{folder.name}.canary"
    line = f"open({str(canary)!r}, 'w').write('was here')"
    (folder / "evil.py").write_text(
        f"from transformers import PreTrainedConfig, PreTrainedTokenizerFast\n{line}\n"
        "class EvilTokenizer(PreTrainedTokenizerFast): pass\n"
        "class EvilConfig(PreTrainedConfig): model_type = 'evil'\nclass EvilModel: pass\n"
    )
    ATTACKS[name](folder, line)
    return folder, canary


def change(file: Path, edit: Callable[[Any], None]) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    edit(content)
    file.write_text(json.dumps(content))


def _text(folder: Path, **values: Any) -> None:
    change(folder / CONFIG, lambda config: config["model_cfg"]["text_cfg"].update(values))


def _auto_map(folder: Path, **more: Any) -> None:
    change(folder / TOKENIZER, lambda config: config.update(auto_map=AUTO_MAP, **more))


def _trust(spelling: str, **more: Any) -> Callable[[Path, str], None]:
    def attack(folder: Path, line: str) -> None:
        _auto_map(folder, tokenizer_class="EvilTokenizer")
        _text(folder, tokenizer_kwargs={spelling: True, **more})

    return attack


def _tokenizer_alone(folder: Path, line: str) -> None:
    _auto_map(folder, tokenizer_class="EvilTokenizer")


def _evil_config(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": AUTO_MAP}))


def _config_beside(folder: Path, line: str) -> None:
    _evil_config(folder)


def _nested(folder: Path, line: str) -> None:
    _auto_map(folder, tokenizer_class="EvilTokenizer")
    change(folder / CONFIG, lambda config: config["model_cfg"].update(more=[{"deep": {"trust_remote_code": True}}]))


def _text_encoder(folder: Path, line: str) -> None:
    _evil_config(folder)
    _text(folder, hf_model_name=str(folder), hf_pooler_type="mean_pooler")


def _text_encoder_elsewhere(folder: Path, line: str) -> None:
    other = folder.parent / f"{folder.name}-encoder"
    other.mkdir()
    shutil.copyfile(folder / "evil.py", other / "evil.py")
    _evil_config(other)
    link = folder.parent / f"{folder.name}-link"
    link.symlink_to(other)
    _text(folder, hf_model_name=str(link), hf_pooler_type="mean_pooler")


def _kernel(folder: Path, line: str) -> None:
    """Compiled code of a repository in the place of the attention, where the package `kernels` is installed."""
    (folder / "config.json").write_text(
        json.dumps({"model_type": "bert", "_attn_implementation": "evil/kernel:attention"})
    )
    _text(folder, hf_model_name=str(folder), hf_pooler_type="mean_pooler")


def _timm_folder(folder: Path, line: str) -> None:
    change(
        folder / CONFIG, lambda config: config["model_cfg"]["vision_cfg"].update(timm_model_name=f"local-dir:{folder}")
    )


class _Call:
    def __init__(self, line: str):
        self.line = line

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, (self.line,)


class _WrongCall(_Call):
    """First something that makes torch's own unpickler give up with a TypeError, then code."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        from torch._utils import _rebuild_parameter

        return _rebuild_parameter, ()


def _pickle(file: str, zipped: bool) -> Callable[[Path, str], None]:
    def attack(folder: Path, line: str) -> None:
        import torch

        (folder / "open_clip_model.safetensors").unlink()
        content = {"state_dict": _Call(line)}
        if zipped:
            torch.save(content, folder / file)
        else:
            (folder / file).write_bytes(pickle.dumps(content, protocol=2))

    return attack


def _pickle_of_two_readings(folder: Path, line: str) -> None:
    import torch

    (folder / "open_clip_model.safetensors").unlink()
    torch.save([_WrongCall(line), _Call(line)], folder / "open_clip_pytorch_model.bin")


ATTACKS: dict[str, Callable[[Path, str], None]] = {
    "tokenizer_kwargs.trust_remote_code": _trust("trust_remote_code"),
    "another spelling": _trust("Trust-Remote_CODE"),
    "as a text": _trust("trust_remote_code ", use_fast="no"),
    "fullwidth letters": _trust("trust_remote_code".translate({ord("t"): "ｔ"})),
    "deep in the configuration": _nested,
    "auto_map of the tokenizer alone": _tokenizer_alone,
    "auto_map of a config.json beside it": _config_beside,
    "hf_model_name of the folder itself": _text_encoder,
    "hf_model_name of a link to another folder": _text_encoder_elsewhere,
    "a kernel of a repository": _kernel,
    "timm's local-dir": _timm_folder,
    "a zipped pickle": _pickle("open_clip_pytorch_model.bin", zipped=True),
    "a bare pickle": _pickle("open_clip_pytorch_model.bin", zipped=False),
    "a pickle named pth": _pickle("model.pth", zipped=True),
    "a pickle that is read twice": _pickle_of_two_readings,
}
