"""A process that has loaded everything already, for tests whose commands are its forks."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil

PRELOADED = (
    *("pyarrow.parquet", "pyarrow.csv", "pyarrow.compute", "pyarrow.dataset", "PIL.Image", "numpy", "sqlite3", "numba"),
    *("pandas", "open_clip", "transformers", "tokenizers", "matplotlib.pyplot", "matplotlib.backends.backend_agg"),
    *("scipy.optimize", "scipy.stats", "jinja2", "requests", "urllib3", "simplejpeg"),
    *("torch._dynamo", "torch.distributed._composable.fsdp", "tqdm.contrib.logging"),
)


def preload() -> None:
    """All modules of the package and of what it stands on. Starts no thread."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch reads it
    import torch
    from PIL import Image

    import clip_pipeline
    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    torch.set_num_threads(1)
    Image.init()
    for module in PRELOADED:
        importlib.import_module(module)
    for module in pkgutil.walk_packages(clip_pipeline.__path__, "clip_pipeline."):
        if not module.name.endswith("__main__") and not module.name.startswith("clip_pipeline.def"):
            importlib.import_module(module.name)

    from clip_pipeline.words.wikitext.characters import character_tables

    character_tables()
    gc.collect()
    gc.freeze()  # a fork that looks through all of it would copy its pages
