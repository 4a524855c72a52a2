"""Every model of the package, built by open_clip and compared with a table written by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from clip_pipeline.errors import ModelError
from clip_pipeline.models.registry import build_model, context_length_of, image_size_of, list_models, load_config
from clip_pipeline.models.zoo import FACTS_FILE, counted_facts, describe_model, known_facts, zoo_table
from clip_pipeline_tests.models.zoo import TABLE, Encoder, PlainResNet, Row

VITS = [name for name, row in TABLE.items() if isinstance(row.image, Encoder)]


@pytest.fixture(scope="module")
def models() -> dict[str, torch.nn.Module]:
    """All models, without memory or weights."""
    with torch.device("meta"):
        return {name: build_model(load_config(name)) for name in TABLE}


def block_parameters(encoder: Encoder) -> int:
    """Attention, MLP and two normalisations."""
    width, mlp = encoder.width, encoder.mlp
    return 4 * (width * width + width) + (2 * width * mlp + mlp + width) + 4 * width


def text_parameters(row: Row) -> int:
    encoder = row.text
    tables = (row.vocabulary + row.tokens) * encoder.width
    return tables + encoder.layers * block_parameters(encoder) + 2 * encoder.width + encoder.width * row.embedding


def vit_parameters(row: Row, encoder: Encoder) -> int:
    places = (row.px // encoder.patch) ** 2 + 1
    start = 3 * encoder.patch**2 * encoder.width + encoder.width + places * encoder.width
    inner = encoder.width // 4
    boundaries = 2 * encoder.width + encoder.width * inner + inner + inner + 1 if encoder.pooled else 0
    blocks = encoder.layers * block_parameters(encoder)
    return start + blocks + boundaries + 4 * encoder.width + encoder.width * row.embedding


def resnet_parameters(row: Row, blocks: tuple[int, ...], width: int) -> int:
    """CLIP's ResNet: a stem of three convolutions, bottlenecks, attention pooling."""
    half = width // 2
    total = 27 * half + 9 * half * half + 9 * half * width + 4 * half + 2 * width
    inside = width
    for stage, count in enumerate(blocks):
        planes = width * 2**stage
        for number in range(count):
            total += inside * planes + 9 * planes**2 + 4 * planes**2 + 12 * planes
            total += (inside * 4 * planes + 8 * planes) if number == 0 else 0
            inside = 4 * planes
    places = (row.px // 32) ** 2 + 1
    return total + places * inside + 3 * (inside**2 + inside) + inside * row.embedding + row.embedding


def test_the_table_holds_every_model_of_the_package():
    assert sorted([*TABLE, "laptop_bytes"]) == list_models(), "the one of bytes is counted in test_pooled_text_encoder"


def plain_resnet_parameters(row: Row, encoder: PlainResNet) -> int:
    """Convolutions and their normalisations, a projection on each shortcut that widens, a projection into the embedding."""
    first, second, inside = encoder.stem
    total = 27 * first + 9 * first * second + 9 * second * inside + 2 * sum(encoder.stem)
    for width in encoder.widths:
        total += 9 * inside * width + 9 * width * width + 4 * width
        total += (inside * width + 2 * width) if width != inside else 0
        inside = width
    return total + inside * row.embedding


@pytest.mark.parametrize("name", TABLE)
def test_encoders_have_the_published_sizes(name, models):
    row, config, model = TABLE[name], load_config(name), models[name]
    assert (image_size_of(config), context_length_of(config)) == ((row.px, row.px), row.tokens)
    assert model.token_embedding.weight.shape == (row.vocabulary, row.text.width)
    assert model.positional_embedding.shape == (row.tokens, row.text.width)
    encoders = [(model.transformer.resblocks, row.text)]
    if isinstance(row.image, Encoder):
        patch = row.image.patch
        assert model.visual.conv1.weight.shape == (row.image.width, 3, patch, patch)
        assert model.visual.positional_embedding.shape == ((row.px // patch) ** 2 + 1, row.image.width)
        encoders.append((model.visual.transformer.resblocks, row.image))
    elif isinstance(row.image, PlainResNet):
        trunk = model.visual.trunk
        stages = (trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4)
        assert [stage[0].conv2.out_channels for stage in stages] == list(row.image.widths)
        assert [len(stage) for stage in stages] == [1, 1, 1, 1]
    else:
        blocks, width = row.image
        stages = (model.visual.layer1, model.visual.layer2, model.visual.layer3, model.visual.layer4)
        assert tuple(map(len, stages)) == blocks
        assert model.visual.conv3.out_channels == width
    for blocks, encoder in encoders:
        assert len(blocks) == encoder.layers
        for block in blocks:
            assert (block.attn.embed_dim, block.attn.num_heads) == (encoder.width, encoder.heads)
            assert (block.mlp.c_fc.out_features, block.mlp.c_proj.in_features) == (encoder.mlp, encoder.mlp)


@pytest.mark.parametrize("name", TABLE)
def test_parameters_are_those_counted_by_hand(name, models):
    row = TABLE[name]
    if isinstance(row.image, Encoder):
        image = vit_parameters(row, row.image)
    elif isinstance(row.image, PlainResNet):
        image = plain_resnet_parameters(row, row.image)
    else:
        image = resnet_parameters(row, *row.image)
    assert row.parameters == image + text_parameters(row) + 1, "the table's sum; 1 is the logit scale"
    assert sum(p.numel() for p in models[name].visual.parameters()) == image
    assert sum(p.numel() for p in models[name].parameters()) == row.parameters


@pytest.mark.parametrize("name", TABLE)
def test_both_encoders_end_in_the_same_space(name, models):
    row = TABLE[name]
    with torch.no_grad():
        images = models[name].encode_image(torch.empty(2, 3, row.px, row.px, device="meta"))
        texts = models[name].encode_text(torch.empty(2, row.tokens, dtype=torch.long, device="meta"))
    assert images.shape == texts.shape == (2, row.embedding)


@pytest.mark.parametrize("name", TABLE)
def test_heads_divide_the_width(name):
    """The reference's L text encoder asked for 12 heads of a width of 512, and its code cut the rest away."""
    for encoder in (TABLE[name].text, TABLE[name].image):
        if isinstance(encoder, Encoder):
            assert encoder.width % encoder.heads == 0


def multiplications(tokens: int, encoder: Encoder) -> int:
    """Of one row through the layers of a transformer: four projections, two products of attention, two of the MLP."""
    width = encoder.width
    return encoder.layers * (4 * tokens * width**2 + 2 * tokens**2 * width + 2 * tokens * width * encoder.mlp)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny_test", "vit_m_14_112", "vit_s_8_112", "tinker_16_224", "laptop_vit_pooled"])
def test_cost_is_that_counted_by_hand(name):
    row, facts = TABLE[name], describe_model(name)
    encoder = row.image
    assert isinstance(encoder, Encoder)
    patches = (row.px // encoder.patch) ** 2
    image = 3 * encoder.patch**2 * patches * encoder.width + encoder.width * row.embedding
    before = max(1, encoder.layers // 4) if encoder.pooled else encoder.layers
    layers = multiplications(patches + 1, replace(encoder, layers=before))
    if encoder.pooled:
        layers += multiplications(encoder.pooled + 1, replace(encoder, layers=encoder.layers - before))
        layers += patches * (encoder.width + 1) * (encoder.width // 4)  # who closes a segment
    assert facts.image_gflops == pytest.approx(2e-9 * (image + layers))
    text = multiplications(row.tokens, row.text) + row.text.width * row.embedding
    assert facts.text_gflops == pytest.approx(2e-9 * text)
    assert facts.parameters == row.parameters


def test_the_printed_table_goes_from_cheap_to_dear():
    lines = zoo_table(map(describe_model, ["sandbox_small", "tiny_test"])).splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["tiny_test", "sandbox_small"]
    assert len({len(line) for line in lines}) == 1, "columns are aligned"
    assert "| ViT 1 × 32, 2 heads, MLP 64, patch 4 |" in lines[2]
    assert "| 2 × 128, 4 heads, MLP 512 |" in lines[3]


def test_an_encoder_that_pools_its_tokens_says_so():
    (line,) = zoo_table([describe_model("laptop_vit_pooled")]).splitlines()[2:]
    assert "| ViT 6 × 192, 3 heads, MLP 768, patch 8, 64 tokens → 16 after layer 1 (gumbel) |" in line


def test_a_image_encoder_of_timm_is_described_by_its_name(tmp_path):
    import json

    config = load_config("tiny_test")
    config["vision_cfg"] = {"timm_model_name": "convnext_atto", "timm_pool": "avg", "image_size": 64}
    (tmp_path / "atto.json").write_text(json.dumps(config))
    facts = describe_model(tmp_path / "atto.json")
    assert facts.image_encoder == "convnext_atto"
    assert facts.image_parameters > 3e6
    assert facts.image_gflops > 0.05


def test_a_configuration_of_ones_own_is_described_by_its_file_name(tmp_path):
    import json

    (tmp_path / "mine.json").write_text(json.dumps(load_config("tiny_test")))
    assert describe_model(tmp_path / "mine.json").name == "mine"
    broken = load_config("tiny_test")
    broken["vision_cfg"]["image_size"] = 2
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    with pytest.raises(ModelError, match="cannot take a step|cannot build"):
        describe_model(tmp_path / "broken.json")


@pytest.mark.slow
def test_the_known_facts_are_those_that_are_counted():
    """After a change of a configuration: FACTS_FILE.write_text(counted_facts())."""
    assert FACTS_FILE.read_text(encoding="utf-8") == counted_facts()


def test_facts_of_another_configuration_are_not_those_that_are_known(tmp_path, monkeypatch):
    assert known_facts("tiny_test") is not None
    assert known_facts(tmp_path / "model.json") is None
    monkeypatch.setattr("clip_pipeline.models.zoo.load_config", lambda name: load_config(name) | {"embed_dim": 33})
    assert known_facts("tiny_test") is None
