"""What the text encoder must embed before a dataset can be scored."""

from __future__ import annotations

import pyarrow as pa

from clip_pipeline.embedding.texts import prompt_table
from clip_pipeline.evaluation.datasets import Dataset
from clip_pipeline.evaluation.templates import OWN, template_sets


def texts_to_embed(dataset: Dataset, names: str) -> pa.Table:
    """What the text encoder must embed: the captions, or each class in the prompts of every set.

    The prompts' table is `prompt_table`'s with two columns more: template_set, and template, the prompt without its class.
    """
    if dataset.task != "zero_shot":
        return dataset.texts()
    tables = []
    for name, templates in template_sets(names, dataset.templates).items():
        table = prompt_table(dataset.class_names, templates)
        if name != OWN:
            ids = pa.array([f"{name}-{one}" for one in table["id"].to_pylist()], pa.string())
            table = table.set_column(0, "id", ids)
        used = [templates[t] for t in table["template_index"].to_pylist()]
        table = table.append_column("template_set", pa.array([name] * len(table), pa.string()))
        tables.append(table.append_column("template", pa.array(used, pa.string())))
    return pa.concat_tables(tables)
