"""What the trials of the sweep are run on, and what names a trial."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.adaptation.classifier import Classifier
from clip_pipeline.adaptation.data import AdaptationData
from clip_pipeline.adaptation.fine_tuning import FineTuned, FineTuning
from clip_pipeline.adaptation.fractions import percent_key
from clip_pipeline.adaptation.methods import MethodOptions, parse_alphas, parse_methods
from clip_pipeline.adaptation.options import fine_tuning_of, method_options_of
from clip_pipeline.adaptation.probing import fit_probe
from clip_pipeline.evaluation.probes.head import LinearHead
from clip_pipeline.machine.device import choose_device
from clip_pipeline.models.registry import ClipModel
from clip_pipeline.settings import AdaptationSettings, ComputeSettings, EvaluationSettings
from clip_pipeline.training.model.precision import choose_precision, count_threads

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Trial:
    """percent: of the training photos."""

    method: str
    percent: float
    seed: int

    @property
    def name(self) -> str:
        """Such as full-010-seed0: a folder's name."""
        return f"{self.method}-{percent_key(self.percent)}-seed{self.seed}"


@dataclass
class TrialContext:
    """What trials are run on: the model's image encoder, loaded once and never changed, and the shared data.

    alphas: shares of the adapted weights that wise_ft tries. keeps_full: whether wise_ft follows and mixes the weights of
    `full`. evaluation: of the intervals. fine_tuned: weights of `full` that `wise_ft` mixes next, and probes: what `lp_then_ft` begins
    with, both by fraction and seed, and kept for one of them.
    """

    visual: Any
    data: AdaptationData
    methods: MethodOptions
    tuning: FineTuning
    alphas: Sequence[float]
    keeps_full: bool
    evaluation: EvaluationSettings
    device: str
    precision: str
    threads: int
    fine_tuned: dict[tuple[float, int], tuple[FineTuned, dict[str, torch.Tensor], tuple[float, float]]] = field(
        default_factory=dict
    )

    probes: dict[tuple[float, int], LinearHead] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        model: str | Path,
        data: AdaptationData,
        settings: AdaptationSettings,
        evaluation: EvaluationSettings,
        compute: ComputeSettings,
    ) -> TrialContext:
        """Loads the model. Raises ModelError, SettingsError for a device that is not there, for methods or shares."""
        from clip_pipeline.models.folder import open_model
        from clip_pipeline.training.model.attention import lighten_attention

        device = choose_device(compute.device)
        clip: ClipModel = open_model(model, device)[0]
        clip.float()  # fp32 masters: Adam on fp16 weights gives NaN, its squares of small gradients are nought
        if device == "cpu":
            lighten_attention(clip)
        precision = choose_precision(settings.precision, device)
        return cls(
            clip.visual,
            data,
            method_options_of(settings),
            fine_tuning_of(settings),
            parse_alphas(settings.alphas),
            "wise_ft" in parse_methods(settings.methods),
            evaluation,
            device,
            precision,
            count_threads(compute.threads),
        )

    def zero_shot(self) -> Classifier:
        """The classifier that nothing was done to, with an encoder of its own."""
        scale = self.data.about["logit_scale"]
        return Classifier.of_texts(copy.deepcopy(self.visual), self.data.classes(), scale, self.device)

    def probe(self, trial: Trial) -> LinearHead:
        """The linear probe of the trial's photos."""
        key = (trial.percent, trial.seed)
        if key not in self.probes:
            self.probes.clear()
            self.probes[key] = fit_probe(self.data, self.data.fraction(*key))
        return self.probes[key]
