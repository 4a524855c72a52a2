"""The settings `training`: the model and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class TrainingSettings(CheckedSettings):
    """The model and how it is trained."""

    plan: str = setting(
        "", "A published training whose settings are taken before your own: a name of training/plans/, or a JSON file."
    )
    model: str = setting(
        "sandbox_small",
        "Name of a configuration in models/configs/, a .json file of open_clip's form, or a model folder.",
    )
    vision_layers: int = setting(0, "Layers of the image encoder, a ViT; 0 is as the model says.", low=0)
    vision_width: int = setting(
        0,
        "Width of the image encoder, in numbers a token: a multiple of its heads' width; 0 is as the model says.",
        low=0,
    )
    text_layers: int = setting(0, "Layers of the text encoder; 0 is as the model says.", low=0)
    text_width: int = setting(
        0,
        "Width of the text encoder, in numbers a token: a multiple of its heads' width; 0 is as the model says.",
        low=0,
    )
    embedding_size: int = setting(0, "Numbers in an embedding; 0 is as the model says.", low=0)
    context_length: int = setting(
        0, "Tokens that the text encoder sees, both ends included; 0 is as the model says.", low=0
    )
    text_encoder: str = setting(
        "open_clip",
        "open_clip is its transformer from random weights; starts_as_mean begins with a caption as the mean of its words; "
        "stays_mean remains it, and never learns their order: best where captions are few.",
        choices=("open_clip", "starts_as_mean", "stays_mean"),
    )
    epochs: float = setting(10.0, "Passes over the training photos.", low=0.001)
    steps: int = setting(0, "Length of the training in steps instead of epochs; 0 takes the epochs.", low=0)
    samples: int = setting(0, "Length in pairs seen instead of epochs; 0 takes the epochs.", low=0)
    batch_size: int = setting(256, "Pairs in a step; the contrastive loss compares all of them.", low=2)
    chunk_size: int = setting(
        0,
        "Pairs whose activations are in memory at a time; each chunk goes through the encoders twice, and the gradient is "
        "that of the whole batch, but for batch norms, which see a chunk. 0 takes the batch at once.",
        low=0,
    )
    repeat_captions: str = setting(
        "never",
        "Captions that read the same in one batch, each of them a wrong answer to the other: never, unavoidable (only "
        "where nothing else is left), or free.",
        choices=("never", "unavoidable", "free"),
    )
    captions_per_photo: int = setting(
        1,
        "Captions of its own that each photo is compared with in a step, one batch of captions after the other; the image "
        "encoder's work is done once for all of them.",
        low=1,
        high=32,
    )
    token_dropout: float = setting(
        0.0, "Share of a caption's tokens, from 0 to 1, that are left out at random while training.", low=0, high=0.9
    )
    loss: str = setting(
        "softmax",
        "softmax (CLIP's, over the batch) or sigmoid (SigLIP's, a yes or no for each pair).",
        choices=("softmax", "sigmoid"),
    )
    optimizer: str = setting(
        "adamw",
        "adamw, or muon for the matrices and kernels inside the encoders and AdamW for the rest: fewer epochs for the same loss.",
        choices=("adamw", "muon"),
    )
    muon_lr: float = setting(0.02, "Peak learning rate of Muon; it follows the same schedule.", low=1e-9, high=1.0)
    muon_decay: float = setting(0.1, "Weight decay of what Muon moves.", low=0)
    learning_rate: float = setting(1e-3, "Peak learning rate of AdamW.", low=1e-9, high=1.0)
    warmup_percent: float = setting(
        5.0, "Share of the steps with a linearly rising learning rate, in percent.", low=0, high=100
    )
    warmup_steps: int = setting(0, "Warmup in steps instead of percent; 0 takes the percent.", low=0)
    schedule: str = setting(
        "cosine",
        "Learning rate after the warmup: cosine or linear (falling to the end), constant, or cooldown (constant, then a "
        "linear fall over the last cooldown_percent of the steps).",
        choices=("cosine", "linear", "constant", "cooldown"),
    )
    cooldown_percent: float = setting(20.0, "Share of the steps in the cooldown, in percent.", low=0, high=100)
    final_lr_percent: float = setting(
        1.0, "Learning rate at the end of the fall, in percent of the peak.", low=0, high=100
    )
    weight_decay: float = setting(0.2, "Weight decay, on matrices only.", low=0)
    beta_1: float = setting(0.9, "Decay of AdamW's first moment, the mean of the gradients.", low=0, high=1)
    beta_2: float = setting(0.98, "Decay of AdamW's second moment, the mean of their squares.", low=0, high=1)
    epsilon: float = setting(1e-6, "Added to the root of AdamW's second moment, against division by zero.", low=0)
    grad_clip_norm: float = setting(1.0, "Gradients with a larger norm are scaled down to it; 0 leaves them.", low=0)
    label_smoothing: float = setting(
        0.0, "Share of the target, from 0 to 1, that the softmax loss spreads over all answers.", low=0, high=0.9
    )
    temperature: float = setting(
        0.0,
        "Temperature at the start, learned from there on; 0 is 0.07 for softmax and 0.1 for sigmoid.",
        low=0,
        high=1,
    )
    max_logit_scale: float = setting(100.0, "Cap of the logit scale, the inverse of the temperature.", low=1)
    patch_dropout: float = setting(
        0.0, "Share of the patches, from 0 to 1, that a vision transformer leaves out while training.", low=0, high=0.95
    )
    freeze: str = setting(
        "none", "Encoder whose weights stay as they are: none, image or text.", choices=("none", "image", "text")
    )
    freeze_norms: bool = setting(True, "Freeze the normalisation layers of that encoder too.")
    init_from: str = setting(
        "",
        "Model to go on from, with its architecture, tokenizer and preprocessing, instead of random weights: any that --model "
        "takes elsewhere, a folder, ARCHITECTURE/TAG, ARCHITECTURE/FILE or hf-hub:OWNER/NAME.",
    )
    batch_norms: str = setting(
        "auto",
        "Means and variances of batch norms: update takes those of each batch, keep those that the model has; auto keeps them "
        "with init_from, for batches of a fine-tuning are few and small.",
        choices=("auto", "update", "keep"),
    )
    crop_scale: float = setting(
        1.0, "Smallest area of the random crop, as a fraction; 1 is no crop.", low=0.05, high=1.0
    )
    flip: bool = setting(False, "Mirror photos at random; wrong where captions say left and right.")
    color_jitter: float = setting(
        0.0,
        "Largest change of brightness, contrast and saturation, drawn at random, as a share of what they are.",
        low=0,
        high=1,
    )
    grayscale_prob: float = setting(0.0, "Probability that a photo loses its colors.", low=0, high=1)
    random_erasing_prob: float = setting(
        0.0, "Probability that a rectangle of a photo, a sixth to half as wide and high, is covered.", low=0, high=1
    )
    mixup_alpha: float = setting(
        0.0,
        "Each photo of a batch is laid over the next, with a share drawn from Beta(alpha, alpha), and "
        "belongs to both captions; 0 leaves them. Against overfitting a small set.",
        low=0,
        high=10,
    )
    cached_image_size: int = setting(
        0,
        "Side of the decoded images that are kept, in pixels; more than the model sees keeps detail for crops. 0 is the "
        "model's own.",
        low=0,
    )
    cache_decoded_images: bool = setting(
        True,
        "Decode all photos once and keep them for other trainings; false decodes them as they are needed, for sets that "
        "are too large to keep.",
        speed=True,
    )
    max_undecodable_percent: float = setting(
        1.0,
        "Photos that cannot be decoded, in percent of those of the training, from which on a training that decodes as it "
        "goes stops; fewer are replaced and named in undecodable_images.csv.",
        low=0,
        high=100,
        speed=True,
    )
    ema_decay: float = setting(
        0.0, "Decay, a step, of the averaged weights that become the model; 0 takes the last ones.", low=0, high=0.99999
    )
    bag_of_words_loss: float = setting(
        0.0, "Weight of a second loss, guessing a caption's words from the image alone; 0 is none.", low=0, high=10
    )
    shuffle_captions: bool = setting(False, "Control: give each photo a random caption. Scores must then be chance.")
    precision: str = setting(
        "fp32",
        "Arithmetic of the training: fp32, bf16, fp16 (with scaled gradients), or auto for bf16 where the processor has "
        "it built in.",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    gradient_checkpointing: bool = setting(
        False, "Compute activations a second time instead of keeping them: less memory, a third more time."
    )
    compile: bool = setting(False, "Compile the encoders with torch.compile: minutes at the start, faster steps.")
    seed: int = setting(0, "Seed of the weights, the order and the augmentation.")
    checkpoint_seconds: float = setting(
        30.0, "Time between two saved states that a killed run resumes from, in seconds.", low=1, speed=True
    )
    checkpoint_steps: int = setting(
        0, "Steps between two saved states, besides the time; 0 is none.", low=0, speed=True
    )
    keep_checkpoints: int = setting(1, "Saved states kept while training, the latest ones.", low=1, speed=True)
    tensorboard: bool = setting(
        False, "Write the log for TensorBoard too; needs clip_pipeline[tensorboard].", speed=True
    )
    export_weights: str = setting(
        "last",
        "Weights that become the model: last, or best for those of the lowest validation loss.",
        choices=("last", "best"),
    )
