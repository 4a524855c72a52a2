"""zero_shot_scores, retrieval_scores, probe_scores → benchmark_report; unit_inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.partitions import halves
from clip_pipeline.pipeline.steps.benchmark_datasets import stored_dataset
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import fingerprinted
from clip_pipeline.storage.manifest import Built

if TYPE_CHECKING:
    from clip_pipeline.evaluation.datasets import Dataset
    from clip_pipeline.evaluation.provenance import Scored

SCORES = ("zero_shot_scores", "retrieval_scores", "probe_scores")


def _config(workspace: Workspace) -> dict[str, Any]:
    """The datasets are partitions; what is left decides the numbers."""
    config = fingerprinted(workspace.recipe.evaluation)
    del config["datasets"]
    return config


def _probe_config(workspace: Workspace) -> dict[str, Any]:
    probe = fingerprinted(workspace.recipe.probe)
    return _config(workspace) | {f"probe.{name}": value for name, value in probe.items()}


def _image_and_text_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    return _image_inputs(workspace, partition) | {
        "text_embeddings": workspace.get("text_embeddings", partition).content,
    }


def _image_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    dataset, _ = halves(partition)
    return {
        f"benchmark_dataset[{dataset}]": workspace.get("benchmark_dataset", dataset).content,
        "image_embeddings": workspace.get("image_embeddings", partition).content,
    }


def _build_zero_shot(context: BuildContext) -> Built:
    from clip_pipeline.evaluation.zero_shot import zero_shot_scores

    workspace, partition, folder = context.workspace, context.partition, context.folder

    def score(dataset: Dataset, images: Path, scored: Scored, left_out: LeftOut) -> list[dict[str, Any]]:
        texts = workspace.get("text_embeddings", partition).folder
        return zero_shot_scores(images, texts, dataset.truth(), workspace.recipe.evaluation, folder, scored, left_out)

    return _score(workspace, partition, folder, "zero_shot", score)


def _build_retrieval(context: BuildContext) -> Built:
    from clip_pipeline.evaluation.retrieval import retrieval_scores

    workspace, partition, folder = context.workspace, context.partition, context.folder

    def score(dataset: Dataset, images: Path, scored: Scored, left_out: LeftOut) -> list[dict[str, Any]]:
        texts = workspace.get("text_embeddings", partition).folder
        return retrieval_scores(images, texts, dataset.name, "test", workspace.recipe.evaluation, folder, scored)

    return _score(workspace, partition, folder, "retrieval", score)


def _build_probe(context: BuildContext) -> Built:
    from clip_pipeline.evaluation.probes.scoring import probe_scores

    workspace, folder = context.workspace, context.folder

    def score(dataset: Dataset, images: Path, scored: Scored, left_out: LeftOut) -> list[dict[str, Any]]:
        recipe = workspace.recipe
        return probe_scores(images, dataset.truth(), recipe.evaluation, recipe.probe, folder, scored, left_out)

    return _score(workspace, context.partition, folder, "zero_shot", score)


def _score(
    workspace: Workspace,
    partition: str,
    folder: Path,
    task: str,
    score: Callable[[Dataset, Path, Scored, LeftOut], list[dict[str, Any]]],
) -> Built:
    """Scores the dataset when it is made for the task; else publishes an empty list, so that the partition exists."""
    from clip_pipeline.evaluation.fingerprints import dataset_fingerprint
    from clip_pipeline.evaluation.provenance import Scored
    from clip_pipeline.evaluation.scores import write_scores
    from clip_pipeline.models.identity import model_facts

    name, model = halves(partition)
    dataset = stored_dataset(workspace, name)
    if dataset.task != task:
        write_scores([], folder, model)
        return Built(rows={"scores": 0}, facts={"left out": f"{name} is made for {dataset.task}"})
    weights, logit_scale = model_facts(str(workspace.get("clip_checkpoint", model).folder))
    scored = Scored(model, weights, dataset_fingerprint(dataset), logit_scale)
    left_out = LeftOut()
    rows = score(dataset, workspace.get("image_embeddings", partition).folder, scored, left_out)
    return Built(rows={"scores": len(rows)}, facts={_named(row): row["value"] for row in rows} | left_out.facts())


def _named(row: Mapping[str, Any]) -> str:
    """`unseen top1`; of several probes which (`mlp_probe unseen top1`), of several sets of prompts too (`unseen top1 (imagenet80)`)."""
    from clip_pipeline.evaluation.templates import OWN

    name = f"{row['split']} {row['metric']}"
    if row["task"].endswith("_probe"):
        name = f"{row['task']} {name}"
    return name + (f" ({row['templates']})" if row["templates"] not in ("", OWN) else "")


def _build_unit_inference(context: BuildContext) -> Built:
    from clip_pipeline.evaluation.unit_inference import write_unit_inference

    workspace = context.workspace
    compute = workspace.recipe.compute
    latencies = write_unit_inference(
        workspace.get("clip_checkpoint", context.partition).folder, context.folder, compute.device, compute.threads
    )
    facts = {f"{one.part} (ms, median)": round(one.p50_ms, 3) for one in latencies}
    return Built(rows={"parts": len(latencies)}, facts=facts, sidecars=("latencies.*",))


BUILDERS = {
    "zero_shot_scores": Builder(
        config=_config,
        inputs=_image_and_text_inputs,
        build=_build_zero_shot,
    ),
    "retrieval_scores": Builder(
        config=_config,
        inputs=_image_and_text_inputs,
        build=_build_retrieval,
    ),
    "probe_scores": Builder(
        config=_probe_config,
        inputs=_image_inputs,
        build=_build_probe,
    ),
    "unit_inference": Builder(
        config=lambda workspace: {},
        inputs=lambda workspace, model: {"clip_checkpoint": workspace.get("clip_checkpoint", model).content},
        build=_build_unit_inference,
        speed=("compute.device", "compute.threads"),
    ),
}
