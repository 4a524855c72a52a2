"""Every runtime on a small model: the vectors of plain open_clip, whatever the batch and the threads."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from clip_pipeline.embedding.runtimes import export_rewrites, onnx_graph
from clip_pipeline.embedding.runtimes.registry import RUNTIMES, make_runtime
from clip_pipeline.embedding.runtimes.runtime import Place
from clip_pipeline.embedding.runtimes.torch_family import CompiledRuntime, TorchRuntime
from clip_pipeline.errors import MissingRuntimeError, SettingsError
from clip_pipeline.models.folder import load_model_folder
from clip_pipeline.models.registry import build_model
from clip_pipeline_tests.made.tiny_model import build_tiny_model
from clip_pipeline_tests.made.warm_python import run_python

PACKAGES = {"onnx_fp32": ("onnx", "onnxruntime"), "onnx_int8": ("onnx", "onnxruntime"), "openvino_bf16": ("onnx", "openvino"), "openvino_int8": ("onnx", "openvino")}  # fmt: skip
ON_THE_CPU = ("torch_fp32", "torch_bf16", "onnx_fp32", "onnx_int8", "openvino_bf16", "openvino_int8")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model_folder(build_tiny_model(tmp_path_factory.mktemp("model")))[0]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randn(21, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def made(name: str, model, cache: Path, threads: int = 1):
    for package in PACKAGES.get(name, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    return make_runtime(name, model, Place("cpu", threads, cache))


def plain(model, pixels: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return model.encode_image(pixels).numpy()


def cosines(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return (one * two).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_THE_CPU)
def test_it_gives_the_vectors_of_plain_open_clip(name, model, cache, pixels):
    runtime = made(name, model, cache)
    vectors = runtime.encode_images(pixels)
    assert runtime.name == name
    assert vectors.shape == (21, 32) and vectors.dtype == np.float32
    assert cosines(vectors, plain(model, pixels)).min() > (0.99999 if name.endswith("fp32") else 0.999)
    norms = np.linalg.norm(vectors, axis=1) / np.linalg.norm(plain(model, pixels), axis=1)
    assert norms.min() > 0.95 and norms.max() < 1.05, "raw vectors, not of unit length"


@pytest.mark.parametrize("name", ["onnx_fp32", "onnx_int8"])
def test_threads_change_no_bit(name, model, cache, pixels):
    one, three = made(name, model, cache, 1), made(name, model, cache, 3)
    assert (one.encode_images(pixels) == three.encode_images(pixels)).all()


@pytest.mark.parametrize("name", ["onnx_int8", "openvino_int8"])
def test_a_photo_in_int8_does_not_depend_on_the_photos_beside_it(name, model, cache, pixels):
    runtime = made(name, model, cache)
    loud = pixels.clone()
    loud[1:] *= 30  # a scale taken over the batch would leave the first photo few of the 256 steps
    alone = runtime.encode_images(pixels[:1])[0]
    assert (runtime.encode_images(loud)[0] == alone).all()
    last = torch.cat([loud[1:], pixels[:1]])
    assert (runtime.encode_images(last)[-1] == alone).all(), "nor on its place"
    many = torch.cat([pixels, pixels, pixels])
    assert (runtime.encode_images(many)[[0, 21, 42]] == alone).all(), "nor on how many they are"


def test_vectors_that_were_given_stay_as_they_are(model, cache, pixels):
    for name in ON_THE_CPU:
        runtime = made(name, model, cache)
        first = runtime.encode_images(pixels[:4])
        before = first.copy()
        runtime.encode_images(pixels[4:8])
        assert (first == before).all(), name


SIGNAL_AFTERWARDS = """
import gc, signal
import numpy as np
import openvino
from openvino import opset13
from clip_pipeline.embedding.runtimes.openvino_family import OpenVinoRuntime

row = opset13.parameter([1, 8], np.float32)
graph = openvino.Model([opset13.matmul(row, opset13.constant(np.ones((8, 8), np.float32)), False, False)], [row])
first, second = (OpenVinoRuntime("openvino_bf16", graph, 1) for _ in range(2))
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGINT, lambda number, frame: print("heard"))
signal.raise_signal(signal.SIGINT)
"""


def test_a_signal_is_heard_after_runtimes_of_openvino_have_come_and_gone():
    """With a core of OpenVINO's for each, Ctrl-C was a segmentation fault on a processor with AMX."""
    pytest.importorskip("openvino")
    ended = run_python(["-c", SIGNAL_AFTERWARDS])
    assert (ended.returncode, ended.stdout) == (0, "heard\n"), ended.stderr


def test_the_model_itself_stays_fp32(model, cache, pixels):
    before = plain(model, pixels)
    made("torch_bf16", model, cache).encode_images(pixels)
    assert next(model.parameters()).dtype == torch.float32
    assert (plain(model, pixels) == before).all()


def test_half_precision_as_the_gpu_has_it(model, pixels):
    half = TorchRuntime("cuda_half", model, "cpu", torch.float16)
    assert half.encode_images(pixels).dtype == np.float32
    assert cosines(half.encode_images(pixels), plain(model, pixels)).min() > 0.9999


@pytest.mark.slow
def test_compiled_pieces_of_one_shape_give_every_row(model, pixels):
    shapes = []

    def watched(graph, inputs):
        def run(*arguments):
            shapes.extend(tuple(one.shape) for one in arguments if isinstance(one, torch.Tensor) and one.dim() == 4)
            return graph(*arguments)

        return run

    runtime = CompiledRuntime("torch_compile", model, "cpu", compiler=watched)
    many = torch.cat([pixels] * 2)
    np.testing.assert_allclose(runtime.encode_images(many), plain(model, many), atol=1e-5)
    assert {shape[0] for shape in shapes if shape[1:] == (3, 16, 16)} == {32}


@pytest.mark.slow
def test_a_compiler_that_fails_is_told(model):
    def broken(graph, inputs):
        raise RuntimeError("no g++ here")

    with pytest.raises(MissingRuntimeError, match=r"torch_compile cannot compile .*no g\+\+ here"):
        CompiledRuntime("torch_compile", model, "cpu", compiler=broken)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [("onnx_int8", "onnxruntime", "onnx"), ("onnx_fp32", "onnx", "onnx"), ("openvino_bf16", "openvino", "openvino")],
)
def test_a_missing_package_is_a_sentence_that_says_what_to_install(name, package, extra, model, cache, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked, *more: None if asked == package else real(asked))
    with pytest.raises(MissingRuntimeError) as told:
        make_runtime(name, model, Place("cpu", 1, cache))
    wanted = f"{name} needs the package {package}, which is not installed. Run: pip install 'clip_pipeline[{extra}]'"
    assert str(told.value) == wanted


def test_runtimes_of_another_device_say_so(model, cache):
    with pytest.raises(MissingRuntimeError, match="cuda_half needs a CUDA device, and this runs on cpu"):
        make_runtime("cuda_half", model, Place("cpu", 1, cache))
    for name in ("onnx_int8", "openvino_bf16", "openvino_int8"):
        if all(importlib.util.find_spec(package) for package in PACKAGES[name]):
            with pytest.raises(MissingRuntimeError, match=f"{name} runs on the CPU, and this runs on cuda"):
                make_runtime(name, model, Place("cuda", 1, cache))


def test_an_unknown_name_is_told_with_the_nearest(model, cache):
    with pytest.raises(SettingsError, match='no runtime "onnx_int4". Did you mean "onnx_int8"'):
        make_runtime("onnx_int4", model, Place("cpu", 1, cache))
    assert list(RUNTIMES)[0] == "torch_fp32"


# ---- the graph


@pytest.fixture
def exports(monkeypatch):
    """How often a graph is exported from now on."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    done = []
    real = onnx_graph._export
    monkeypatch.setattr(onnx_graph, "_export", lambda *arguments: (done.append(1), real(*arguments)))
    return done


def test_a_graph_is_exported_once_for_its_weights(model, tmp_path, exports):
    first = onnx_graph.exported_graph(model, tmp_path, "onnx_fp32")
    assert onnx_graph.exported_graph(model, tmp_path, "onnx_fp32") == first
    make_runtime("onnx_int8", model, Place("cpu", 1, tmp_path))
    assert len(exports) == 1
    other = build_model_like(model, seed=5)
    assert onnx_graph.exported_graph(other, tmp_path, "onnx_fp32") != first
    assert len(exports) == 2 and first.is_file()


def build_model_like(model, seed: int):
    from clip_pipeline.models.registry import load_config

    torch.manual_seed(seed)
    return build_model(load_config("tiny_test")).eval()


def test_the_hash_knows_what_the_weights_do_not_tell(model):
    before = onnx_graph.hash_encoder(model)
    attention = next(part for part in model.visual.modules() if isinstance(part, torch.nn.MultiheadAttention))
    heads = attention.num_heads
    attention.num_heads = heads * 2
    try:
        assert onnx_graph.hash_encoder(model) != before
    finally:
        attention.num_heads = heads
    assert onnx_graph.hash_encoder(model) == before


def test_a_killed_export_leaves_nothing_that_counts(model, tmp_path, exports, monkeypatch):
    whole = onnx_graph._export

    def killed(model, folder, runtime):
        (folder / onnx_graph.GRAPH_FILE).write_bytes(b"half a graph")
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx_graph, "_export", killed)
    with pytest.raises(KeyboardInterrupt):
        onnx_graph.exported_graph(model, tmp_path, "onnx_fp32")
    monkeypatch.setattr(onnx_graph, "_export", whole)
    graph = onnx_graph.exported_graph(model, tmp_path, "onnx_fp32")
    assert graph.stat().st_size > 1000


@pytest.mark.parametrize("enabled", [True, False])
def test_the_fused_attention_is_as_it_was_after_an_export(model, tmp_path, exports, enabled):
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(enabled)
    try:
        onnx_graph.exported_graph(model, tmp_path, "onnx_fp32")
        assert torch.backends.mha.get_fastpath_enabled() is enabled
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def test_the_patches_are_matrix_products_in_the_graph_and_a_convolution_in_the_model(model, tmp_path, exports):
    import onnx

    graph = onnx.load(onnx_graph.quantised_graph(model, tmp_path, "onnx_int8"))
    kinds = [node.op_type for node in graph.graph.node]
    assert "Conv" not in kinds and kinds.count("MatMulInteger") >= 1 + 4 * model.visual.transformer.layers
    assert isinstance(model.visual.conv1, torch.nn.Conv2d)


@pytest.mark.parametrize("options", [{"bias": True}, {"bias": False}, {"kernel_size": (4, 3), "stride": (4, 3)}])
def test_a_patch_product_is_the_convolution(options):
    convolution = torch.nn.Conv2d(3, 7, **({"kernel_size": 4, "stride": 4} | options))
    holder = torch.nn.Module()
    holder.visual = torch.nn.Sequential(convolution)
    pixels = torch.randn(5, 3, 18, 17)  # the last rows and columns are no whole patch
    with torch.no_grad():
        expected = convolution(pixels)
        with export_rewrites.patches_by_product(holder):
            assert not isinstance(holder.visual[0], torch.nn.Conv2d)
            torch.testing.assert_close(holder.visual(pixels), expected)
    assert holder.visual[0] is convolution


def test_convolutions_that_overlap_stay():
    for options in ({"kernel_size": 3, "stride": 2}, {"kernel_size": 2, "stride": 2, "padding": 1}, {"kernel_size": 1}):
        assert not export_rewrites._is_patch_convolution(torch.nn.Conv2d(3, 7, **options))


def test_the_eot_only_block_is_computed_for_the_class_token_alone(model, pixels):
    expected = plain(model, pixels)
    last = model.visual.transformer.resblocks[-1]
    shapes = []
    watch = last.mlp.register_forward_hook(lambda part, given, answer: shapes.append(tuple(answer.shape)))
    with export_rewrites.eot_only_block_for_class_token(model):
        found = plain(model, pixels)
    watch.remove()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert shapes == [(21, 1, model.visual.ln_post.normalized_shape[0])]
    assert (plain(model, pixels) == expected).all(), "the model is as it was"


@pytest.mark.parametrize("change", [{"pool_type": "avg"}, {"attn_pool": torch.nn.Identity()}])
def test_encoders_that_look_at_other_tokens_keep_their_eot_only_block(change, model, pixels):
    other = build_model_like(model, seed=6)
    for name, value in change.items():
        setattr(other.visual, name, value)
    assert export_rewrites._block_before_class_token(other.visual) is None
    assert export_rewrites._block_before_class_token(torch.nn.Linear(2, 2)) is None
    assert export_rewrites._block_before_class_token(model.visual) is model.visual.transformer.resblocks[-1]


def test_weights_that_openvino_computes_with_are_int8(model, cache):
    openvino = pytest.importorskip("openvino")
    pytest.importorskip("onnx")
    from clip_pipeline.embedding.runtimes.openvino_family import round_weights

    graph = openvino.Core().read_model(onnx_graph.exported_graph(model, cache, "openvino_int8"))
    assert round_weights(graph) == model.visual.ln_post.normalized_shape[0]
    constants = [node for node in graph.get_ordered_ops() if node.get_type_name() == "Constant"]
    rounded = [np.asarray(node.data) for node in constants if node.get_element_type() == openvino.Type.i8]
    assert len(rounded) >= 4 * model.visual.transformer.layers
    assert all(np.abs(weights).max(axis=1).min() == 127 for weights in rounded), "every column has a scale of its own"


def test_a_encoder_without_matrix_products_has_no_int8(model, cache, monkeypatch):
    pytest.importorskip("openvino")
    pytest.importorskip("onnx")
    from clip_pipeline.embedding.runtimes import openvino_family

    monkeypatch.setattr(openvino_family, "_weights", lambda product: None)
    with pytest.raises(MissingRuntimeError, match="no matrix products"):
        make_runtime("openvino_int8", model, Place("cpu", 1, cache))


def test_a_graph_that_multiplies_no_matrices_is_left_alone():
    openvino = pytest.importorskip("openvino")
    from openvino import opset13

    from clip_pipeline.embedding.runtimes.openvino_family import round_weights

    given = opset13.parameter([1, 4], openvino.Type.f32)
    assert round_weights(openvino.Model([opset13.relu(given)], [given])) == 0


def test_a_model_that_cannot_be_exported_is_told(model, tmp_path, monkeypatch):
    pytest.importorskip("onnx")

    def refuse(*arguments, **options):
        raise torch.onnx.errors.UnsupportedOperatorError("aten::strange", 17, None)

    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(MissingRuntimeError, match=r"onnx_fp32: this model cannot be exported to ONNX \(.*strange"):
        onnx_graph.exported_graph(model, tmp_path, "onnx_fp32")
