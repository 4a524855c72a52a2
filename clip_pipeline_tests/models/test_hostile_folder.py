"""A model folder never runs its author's code: every attack, and every door at which a model or tokenizer is named."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import clip_pipeline
from clip_pipeline.cli import commands
from clip_pipeline.errors import ModelError
from clip_pipeline.machine.foreign_code import without_foreign_code
from clip_pipeline.models.folder import open_model
from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline_tests.made.hostile_model import ATTACKS, TOKENIZER, attack_folder, change
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg

SENTENCE = re.compile(r"code|expected a name of timm|cannot load the model|no JSON")


@pytest.fixture(scope="module", autouse=True)
def _no_network_and_nobody_at_the_terminal():
    def asked(*_):
        raise AssertionError("a question at the terminal")

    from huggingface_hub import constants

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        patch.setattr("builtins.input", asked)
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for split in ("train", "test"):
        for number, name in enumerate(("red", "blue")):
            (folder / split / name).mkdir(parents=True)
            for photo in range(3):
                colour = (200, 20 * photo, 0) if number == 0 else (0, 20 * photo, 200)
                (folder / split / name / f"{photo}.jpg").write_bytes(jpeg(colour))
    return folder


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_runs_when_the_folder_is_opened(attack, model, tmp_path):
    folder, canary = attack_folder(attack, model, tmp_path / "attack")
    with pytest.raises(ModelError) as caught:
        clip_pipeline.load(folder)
    assert not canary.exists(), attack
    said = str(caught.value)
    assert SENTENCE.search(said) and "\n" not in said and "\x1b" not in said and "trust_remote_code=True" not in said


@pytest.mark.parametrize(
    "attack", ["tokenizer_kwargs.trust_remote_code", "hf_model_name of the folder itself", "a zipped pickle"]
)
def test_no_command_runs_it(attack, model, photos, tmp_path):
    folder, canary = attack_folder(attack, model, tmp_path / "attack")
    captioned = tmp_path / "captioned"
    captioned.mkdir()
    for number in range(8):
        (captioned / f"{number}.jpg").write_bytes(jpeg((200, 25 * number, 0), (400, 320)))
    (captioned / "captions.csv").write_text(
        "filepath,caption\n" + "".join(f"{n}.jpg,a red cup on table {n}\n" for n in range(8))
    )
    photo, captions = str(photos / "test/red/0.jpg"), tmp_path / "captions.txt"
    captions.write_text("a red cup\n" * 4)
    out = str(tmp_path / "out")
    doors = {
        "classify": [photo, "--labels", "a cup, a dog", "--model", str(folder)],
        "embed": ["--images", str(photos), "--model", str(folder), "-o", out],
        "evaluate": ["--dataset", str(photos), "--model", str(folder), "-o", f"{out}.json"],
        "probe": ["--dataset", str(photos), "--model", str(folder), "-o", f"{out}.probe"],
        "adapt": ["--dataset", str(photos), "--model", str(folder), "-o", f"{out}.adapt", "--methods", "zero_shot"],
        "models": [str(folder)],
        "tokenizer": [str(captions), "--kind", str(folder), "-o", f"{out}.tokenizer"],
        "train": [
            "--data",
            str(captioned),
            "-o",
            f"{out}.train",
            "--set",
            f"training.model={folder}",
            "--set",
            f"training.init_from={folder}",
            "--set",
            "training.batch_size=2",
        ],
    }
    for name, arguments in doors.items():
        result = CliRunner().invoke(commands, [name, *arguments], input="y\n" * 20)
        assert not canary.exists(), f"{name}: {result.output}"
        assert result.exception is None or isinstance(result.exception, SystemExit | ModelError), (
            name,
            result.exc_info,
        )
        assert "Traceback" not in result.output and "Do you wish" not in result.output, name


@pytest.mark.parametrize("attack", ["tokenizer_kwargs.trust_remote_code", "auto_map of the tokenizer alone", "hf_model_name of the folder itself", "a zipped pickle"])  # fmt: skip
def test_no_repository_of_the_hub_runs_it(attack, model, tmp_path, monkeypatch):
    """As the cache holds it after a download, or after somebody else's."""
    from huggingface_hub import constants

    folder, canary = attack_folder(attack, model, tmp_path / "attack")
    repository = tmp_path / "hub/models--evil--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text("0" * 40)
    shutil.copytree(folder, repository / "snapshots" / ("0" * 40))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(ModelError) as caught:
        open_model("hf-hub:evil/model")
    assert not canary.exists() and "trust_remote_code=True" not in str(caught.value)
    known = {
        "a zipped pickle": "asks for more than weights",
        "tokenizer_kwargs.trust_remote_code": "code of its own, with trust",
    }
    assert known.get(attack, "") in str(caught.value)


def test_the_page_reads_no_code_of_the_model_that_it_is_to_train(model, tmp_path):
    from clip_pipeline.pipeline.partitions import image_formats
    from clip_pipeline.pipeline.workspace import Workspace
    from clip_pipeline.settings import with_settings
    from clip_pipeline.settings.recipes import find_recipe

    folder, canary = attack_folder("tokenizer_kwargs.trust_remote_code", model, tmp_path / "attack")
    settings = [f"training.model={folder}", f"training.init_from={folder}", "training.cache_decoded_images=true"]
    workspace = Workspace(tmp_path / "data", with_settings(find_recipe("tiny"), settings))
    with pytest.raises(ModelError, match="asks for code of its own"):
        image_formats(workspace)
    assert not canary.exists()


def test_a_tokenizer_with_code_is_refused_as_a_kind(model, tmp_path):
    from clip_pipeline.text.ready_tokenizers import hugging_face_tokenizer

    folder, canary = attack_folder("auto_map of the tokenizer alone", model, tmp_path / "attack")
    with pytest.raises(ModelError, match="asks for code of its own, with auto_map"):
        hugging_face_tokenizer(str(folder))
    assert not canary.exists()


def test_a_configuration_file_of_ones_own_with_code_is_refused(model, tmp_path):
    folder, canary = attack_folder("hf_model_name of a link to another folder", model, tmp_path / "attack")
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(config))
    with pytest.raises(ModelError, match="asks for code of its own"):
        build_model(load_config(file))
    assert not canary.exists()


def test_code_is_refused_wherever_the_wish_for_it_comes_from(model, tmp_path):
    """Also where transformers was told to trust: by an argument, by a newer release's default."""
    from transformers import AutoConfig, AutoTokenizer

    folder, canary = attack_folder("hf_model_name of the folder itself", model, tmp_path / "attack")
    change(folder / TOKENIZER, lambda config: config.update(auto_map={"AutoTokenizer": [None, "evil.EvilTokenizer"]}))
    for trust, auto in ((True, AutoConfig), (None, AutoConfig), (False, AutoConfig), (True, AutoTokenizer)):
        with pytest.raises(ModelError, match="needs Python code that comes with it"), without_foreign_code("It"):
            auto.from_pretrained(folder, trust_remote_code=trust)
    assert not canary.exists()


def test_no_kernel_is_fetched_for_a_name_of_the_hub(monkeypatch):
    """Of a repository's files nothing is read beforehand: the lock around the loading holds."""
    from transformers.integrations import hub_kernels

    monkeypatch.setattr(hub_kernels, "is_kernels_available", lambda: True)
    with pytest.raises(ModelError, match="needs Python code"), without_foreign_code("The encoder evil/encoder"):
        hub_kernels.load_and_register_attn_kernel("evil/kernel:attention")


def test_a_text_encoder_of_a_known_class_is_loaded_from_local_files(model, tmp_path):
    from safetensors.torch import save_file

    shutil.copytree(model, tmp_path / "bert")
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "vocab_size": 300,
    }
    (encoder / "config.json").write_text(json.dumps({"model_type": "bert", **sizes}))
    text = {"hf_model_name": str(encoder), "hf_pooler_type": "mean_pooler", "hf_proj_type": "linear"}
    change(tmp_path / "bert/open_clip_config.json", lambda config: config["model_cfg"]["text_cfg"].update(text))
    built = build_model(load_config(tmp_path / "bert"))
    save_file(
        {name: weight.contiguous() for name, weight in built.state_dict().items()},
        tmp_path / "bert/open_clip_model.safetensors",
    )
    loaded, _, tokenizer = open_model(tmp_path / "bert")
    with torch.no_grad():
        assert torch.equal(loaded.encode_text(tokenizer(["a cup"])), built.eval().encode_text(tokenizer(["a cup"])))


def test_transformers_is_as_it_was_afterwards(model, monkeypatch):
    from transformers import dynamic_module_utils

    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    before = {name: getattr(dynamic_module_utils, name) for name in ("get_class_in_module", "TIME_OUT_REMOTE_CODE")}
    open_model(model)
    assert before == {name: getattr(dynamic_module_utils, name) for name in before}
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1" and "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


@pytest.mark.parametrize("attack", ["a zipped pickle", "a pickle that is read twice"])
def test_no_pickle_runs_where_the_machine_allows_them(attack, model, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    folder, canary = attack_folder(attack, model, tmp_path / "attack")
    with pytest.raises(ModelError, match="cannot load the model"):
        open_model(folder)
    assert not canary.exists()


def test_a_file_of_weights_that_is_a_pickle_is_refused_by_name(model, tmp_path):
    folder, canary = attack_folder("a zipped pickle", model, tmp_path / "attack")
    with pytest.raises(ModelError, match=r"asks for more than weights \(.*exec\), and no code of a file is run"):
        open_model(f"tiny_test/{folder / 'open_clip_pytorch_model.bin'}")
    assert not canary.exists()


def test_weights_of_torch_are_read(model, tmp_path):
    from safetensors.torch import load_file

    shutil.copytree(model, tmp_path / "bin")
    torch.save(
        {"state_dict": load_file(tmp_path / "bin/open_clip_model.safetensors")},
        tmp_path / "bin/open_clip_pytorch_model.bin",
    )
    (tmp_path / "bin/open_clip_model.safetensors").unlink()
    one, other = open_model(tmp_path / "bin")[0], open_model(model)[0]
    assert all(torch.equal(one.state_dict()[name], weight) for name, weight in other.state_dict().items())


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "\x00\xff", "{}", "[]", "7", '{"model_cfg": 3}', '{"model_cfg": {"embed_dim": 8, "vision_cfg": [], "text_cfg": {}}}', '{"model_cfg": {"embed_dim": "x", "vision_cfg": {}, "text_cfg": {"tokenizer_kwargs": 3}}}', '{"model_cfg": {"embed_dim": 8, "vision_cfg": {"timm_model_name": "hf-hub:evil/model"}, "text_cfg": {}}}'])  # fmt: skip
def test_an_odd_configuration_is_a_sentence(content, model, tmp_path):
    shutil.copytree(model, tmp_path / "odd")
    (tmp_path / "odd/open_clip_config.json").write_text(content, encoding="latin-1")
    with pytest.raises(ModelError):
        open_model(tmp_path / "odd")


def test_a_tokenizer_whose_parts_contradict_each_other_is_a_sentence(model, tmp_path):
    """Its library panics at the first text."""
    shutil.copytree(model, tmp_path / "odd")
    change(tmp_path / "odd/tokenizer.json", lambda content: content["post_processor"].update(special_tokens={}))
    with pytest.raises(ModelError, match="its contents contradict each other"):
        open_model(tmp_path / "odd")


@pytest.mark.parametrize("content", ["", "{}", "[" * 100_000, '{"version": "1.0", "pre_tokenizer": {"type": "Evil"}}', '{"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": [["a", "b"]]}}'])  # fmt: skip
def test_an_odd_tokenizer_is_a_sentence(content, model, tmp_path):
    shutil.copytree(model, tmp_path / "odd")
    (tmp_path / "odd/tokenizer.json").write_text(content)
    with pytest.raises(ModelError):
        open_model(tmp_path / "odd")
