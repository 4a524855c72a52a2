"""The assets of the stage `training`, in the order of the flow."""

from __future__ import annotations

from clip_pipeline.pipeline.asset import Asset, Figures, Partitions

TRAINING = (
    Asset(
        name="decoded_images",
        stage="training",
        about="The photos of the training, decoded and resized once for all trainings that see them so.",
        code_version="1",
        kinds=("numpy", "image"),
        owner="models",
        after=("image_shards", "image_text_pairs"),
        partitions=Partitions.IMAGE_FORMATS,
        holds_photos=True,
    ),
    Asset(
        name="clip_checkpoint",
        stage="training",
        about="A CLIP trained from scratch, as a folder that plain open_clip loads, unless it pools its tokens.",
        code_version="5",
        kinds=("pytorch", "openclip"),
        owner="models",
        after=("image_shards", "image_text_pairs", "decoded_images", "bpe_tokenizer"),
        partitions=Partitions.VARIANTS,
        pool="accelerator",
        preview=(Figures(("loss.png",)),),
        key_facts=(
            *(
                "warnings",
                "final_validation_loss",
                "best_validation_loss",
                "guessing_loss",
                "final_train_loss",
                "best_step",
            ),
            *("epochs", "training_photos", "validation_photos", "parameters", "trained_parameters", "seconds"),
        ),
        learnt_from_photos=True,
        own_process=True,
        completes=("decoded_images",),
        partitions_per_run=1,
    ),
)
