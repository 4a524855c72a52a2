"""All sensors."""

from clip_pipeline.defs.automation.conditions import automation
from clip_pipeline.defs.automation.data_folder import data_folder
from clip_pipeline.defs.automation.new_checkpoint import new_checkpoint
from clip_pipeline.defs.automation.on_failure import on_failure

SENSORS = [data_folder, automation, new_checkpoint, on_failure]
