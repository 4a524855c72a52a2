"""Settings from the tokenizer to the scores, and of the machine."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class TokenizerSettings(CheckedSettings):
    """How texts become numbers."""

    kind: str = setting(
        "bpe",
        "bpe learns a byte-level BPE from the captions; clip is CLIP's own, of 49,408 tokens; anything else is a tokenizer "
        "of Hugging Face, by name or folder.",
    )
    vocab_size: int = setting(20_000, "Tokens of bpe, the 256 bytes and three special tokens included.", low=259)
    min_frequency: int = setting(2, "Pairs seen less often are not merged by bpe.", low=1)


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
        0, "Width of the image encoder, a multiple of its heads' width; 0 is as the model says.", low=0
    )
    text_layers: int = setting(0, "Layers of the text encoder; 0 is as the model says.", low=0)
    text_width: int = setting(
        0, "Width of the text encoder, a multiple of its heads' width; 0 is as the model says.", low=0
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
    batch_size: int = setting(256, "Pairs a step; the contrastive loss compares all of them.", low=2)
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
        0.0, "Share of a caption's tokens that are left out at random while training.", low=0, high=0.9
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
    beta_1: float = setting(0.9, "AdamW's first moment.", low=0, high=1)
    beta_2: float = setting(0.98, "AdamW's second moment.", low=0, high=1)
    epsilon: float = setting(1e-6, "AdamW's epsilon.", low=0)
    grad_clip_norm: float = setting(1.0, "Gradients are scaled down to this norm; 0 leaves them.", low=0)
    label_smoothing: float = setting(0.0, "Label smoothing of the softmax loss.", low=0, high=0.9)
    temperature: float = setting(
        0.0,
        "Temperature at the start, learned from there on; 0 is 0.07 for softmax and 0.1 for sigmoid.",
        low=0,
        high=1,
    )
    max_logit_scale: float = setting(100.0, "Cap of the inverse temperature.", low=1)
    patch_dropout: float = setting(
        0.0, "Share of the patches that a vision transformer leaves out while training.", low=0, high=0.95
    )
    freeze: str = setting(
        "none", "Encoder whose weights stay as they are: none, image or text.", choices=("none", "image", "text")
    )
    freeze_norms: bool = setting(True, "Freeze the normalisation layers of that encoder too.")
    init_from: str = setting(
        "", "Model folder to go on from, with its tokenizer and preprocessing, instead of random weights."
    )
    crop_scale: float = setting(
        1.0, "Smallest area of the random crop, as a fraction; 1 is no crop.", low=0.05, high=1.0
    )
    flip: bool = setting(False, "Mirror photos at random; wrong where captions say left and right.")
    color_jitter: float = setting(0.0, "Strength of random brightness, contrast and saturation.", low=0, high=1)
    grayscale_prob: float = setting(0.0, "Share of the photos that lose their colours, at random.", low=0, high=1)
    random_erasing_prob: float = setting(
        0.0, "Share of the photos of which a rectangle, a sixth to half as wide and high, is covered.", low=0, high=1
    )
    mixup_alpha: float = setting(
        0.0,
        "Each photo of a batch is laid over the next, with a share drawn from Beta(mixing, mixing), and belong to both "
        "captions; 0 leaves them. Against learning a small set by heart.",
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
        0.0, "Decay of the averaged weights that are published; 0 publishes the last ones.", low=0, high=0.99999
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
        30.0, "Time between two saved states that a killed run resumes from.", low=1, speed=True
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


@dataclass(frozen=True)
class EmbeddingSettings(CheckedSettings):
    """How embeddings are computed."""

    batch_size: int = setting(256, "Photos or texts at a time.", low=1, speed=True)
    dtype: str = setting(
        "float16",
        "Numbers of the stored vectors: float16, or float32 of twice the size.",
        choices=("float16", "float32"),
    )
    unit_length: bool = setting(True, "Store vectors at length 1; off stores them as the model gives them.")
    runtime: str = setting(
        "torch_fp32",
        "What runs the image encoder: a name, or auto for the fastest on this machine whose vectors agree with fp32, measured "
        "when the model is first used.",
        choices=(
            *("auto", "torch_fp32", "torch_bf16", "torch_compile"),
            *("onnx_fp32", "onnx_int8", "openvino_bf16", "openvino_int8", "cuda_half"),
        ),
    )
    min_photos: int = setting(
        5000,
        "Photos to embed from which on auto measures; fewer are embedded by torch_fp32 before a measurement would end.",
        low=0,
    )


@dataclass(frozen=True)
class ParallelismSettings(CheckedSettings):
    """The sweep over processes × threads (parallelism_benchmark), which runs when it is asked for by name."""

    processes: str = setting(
        "", "Processes, separated by commas, such as 1,2,4; empty is the powers of two up to the cores."
    )
    threads: str = setting(
        "",
        "Threads of each process, likewise; where either is empty, cells of more than two threads a core are left out.",
    )
    photos: int = setting(512, "Photos that all processes of a cell embed together.", low=1)
    repeats: int = setting(3, "Times that each cell is measured.", low=1)


@dataclass(frozen=True)
class EvaluationSettings(CheckedSettings):
    """What is scored, and how sure the numbers are."""

    datasets: str = setting(
        "sandbox,held_out",
        "Datasets, separated by commas: names (sandbox, digits; held_out is the test split of the pairs), NAME=PATH for those of "
        "the registry (cifar10=FOLDER) or of your own, or paths. See clip-pipeline datasets.",
    )
    templates: str = setting(
        "own",
        "Sets of prompts, separated by commas, scored side by side: own (the dataset's), cifar18 and imagenet80 (of CLIP's authors).",
    )
    bootstrap_samples: int = setting(1000, "Resamples behind each 95 % interval.", low=100)
    shuffle_labels: bool = setting(False, "Control: permute the labels. Scores must then be chance.")
    seed: int = setting(0, "Seed of the resampling.")


@dataclass(frozen=True)
class ProbeSettings(CheckedSettings):
    """Small classifiers that are trained on the embeddings."""

    inverse_regularizations: int = setting(
        96,
        "Values of C, the inverse of the regularisation, that the linear probe tries on validation photos; they lie between "
        "1e-6 and 1e6 at equal ratios.",
        low=2,
        high=1000,
    )
    standardise: bool = setting(
        False,
        "Scale every dimension of the embeddings to a spread of 1 before the linear probes; they are centred anyway.",
    )
    double: bool = setting(False, "Linear probes multiply in float64 instead of float32; sums are of float64 in both.")
    validation_percent: float = setting(
        20.0,
        "Share of the training photos that choose C, in percent, where the dataset has no validation split; the probe is "
        "trained on them too once C is chosen.",
        low=1,
        high=50,
    )
    test_percent: float = setting(
        50.0,
        "Share of a split's photos that are tested, in percent, where the dataset has no training split.",
        low=1,
        high=90,
    )
    mlp_epochs: int = setting(
        16, "Passes of the MLP probe (120 and 84 sigmoids) over the photos; 0 leaves it out.", low=0
    )
    mlp_batch_size: int = setting(512, "Photos a step of the MLP probe.", low=1)
    mlp_learning_rate: float = setting(1e-3, "Learning rate of the MLP probe's Adam.", low=1e-9, high=1)
    mlp_standardise: bool = setting(
        True,
        "Give the MLP probe embeddings whose dimensions have mean 0 and spread 1; unit vectors as they are learn slowly.",
    )
    shots: str = setting(
        "1,2,4,8,16", "Photos a class of the few-shot probes, with commas between; empty leaves them out."
    )
    few_shot_seeds: int = setting(5, "Draws of the photos of each few-shot probe.", low=2, high=100)
    seed: int = setting(
        0, "Seed of the halves, the validation photos, the MLP's weights and order, and the first few-shot draw."
    )


@dataclass(frozen=True)
class AdaptationSettings(CheckedSettings):
    """Which ways of adapting the model to labelled photos are compared, and with how many photos."""

    dataset: str = setting(
        "",
        "Labelled dataset to adapt to, one of evaluation.datasets; NAME:SPLIT takes one split of it, which is divided. Empty "
        "leaves the adaptation out.",
    )
    out_of_domain: str = setting(
        "",
        "Labelled dataset on which each adapted model's zero-shot ability is scored beside, named in the same way; empty is none.",
    )
    methods: str = setting(
        "zero_shot,linear_probe,layer_norm,layer_decay,layer_decay_top,last_blocks,full,lp_then_ft,wise_ft,lora",
        "Ways of adapting, with commas between.",
    )
    fractions: str = setting(
        "1,10,20,30,40,50,60,70,80,90,100", "Nested fractions of the training photos, in percent, with commas between."
    )
    seeds: int = setting(3, "Repetitions of each cell: another draw of the photos and of their order.", low=1, high=100)
    seed: int = setting(0, "First seed; it also decides which photos are for validation and test.")
    train_photos_per_class: int = setting(0, "Most photos a class that 100 % is made of; 0 takes all.", low=0)
    test_photos_per_class: int = setting(0, "Most photos a class that are tested on; 0 takes all.", low=0)
    out_of_domain_photos_per_class: int = setting(
        0, "Most photos a class of the dataset out of domain; 0 takes all.", low=0
    )
    validation_percent: float = setting(
        10.0,
        "Share of the training photos that choose when to stop, in percent, the same for all fractions; unused where the "
        "dataset has a validation split.",
        low=0.1,
        high=50,
    )
    test_percent: float = setting(
        30.0, "Share of the photos for the test, in percent, where the dataset has no test split.", low=1, high=90
    )
    epochs: float = setting(10.0, "Passes over a fraction's photos, within the two limits that follow.", low=0.01)
    min_steps: int = setting(40, "Least steps of a training, however few photos.", low=1)
    max_steps: int = setting(1000, "Most steps of a training, however many photos.", low=1)
    batch_size: int = setting(64, "Photos a step.", low=1)
    learning_rate: float = setting(
        3e-5,
        "Peak learning rate of AdamW for the head and the weights that learn. Small models want more, such as 5e-4.",
        low=1e-9,
        high=1,
    )
    peft_lr_mult: float = setting(
        10.0,
        "Times that rate for methods that change few numbers: the norms of layer_norm, the matrices of lora.",
        low=1e-3,
    )
    head_lr_mult: float = setting(
        1.0,
        "Times that rate for the head; more where the model knows little of the classes, and texts are a poor beginning.",
        low=1e-3,
    )
    weight_decay: float = setting(0.05, "Weight decay, on matrices only.", low=0)
    warmup_percent: float = setting(
        10.0, "Share of the steps with a rising learning rate, in percent.", low=0, high=100
    )
    layer_decay: float = setting(
        0.65, "Factor of the learning rate from each layer to the one below it.", low=0.01, high=1
    )
    top_blocks: int = setting(
        0, "Blocks that layer_decay_top trains, counted from the last; 0 is five of twelve, in this proportion.", low=0
    )
    last_blocks: int = setting(1, "Blocks that last_blocks trains, counted from the last.", low=1)
    lora_rank: int = setting(8, "Rank of the matrices that lora adds to a weight.", low=1)
    alphas: str = setting(
        "0,0.25,0.5,0.75,1", "Shares of the adapted weights that wise_ft tries, the rest being the weights before."
    )
    label_smoothing: float = setting(0.0, "Label smoothing of the cross-entropy.", low=0, high=0.9)
    crop_scale: float = setting(0.6, "Smallest area of the random crop, as a fraction; 1 is no crop.", low=0.05, high=1)
    flip: bool = setting(True, "Mirror photos at random.")
    validations: int = setting(6, "Validations of a training, at even distances.", low=1)
    patience: int = setting(
        3, "Validations without a better accuracy after which a training stops; the best is kept.", low=1
    )
    precision: str = setting(
        "auto",
        "Products of the training: fp32, bf16, or auto for bf16 where the processor has it built in. Weights are fp32, tests too.",
        choices=("auto", "fp32", "bf16"),
    )


@dataclass(frozen=True)
class ComputeSettings(CheckedSettings):
    """What the machine gives. None of it changes an artifact's bytes in a way that fingerprints record."""

    device: str = setting(
        "auto", "cpu, cuda, mps, or auto for the best there is.", choices=("auto", "cpu", "cuda", "mps"), speed=True
    )
    workers: int = setting(0, "Processes for counting and decoding; 0 is one a core.", low=0, high=256, speed=True)
    threads: int = setting(0, "Arithmetic threads; 0 is one a core.", low=0, high=256, speed=True)
