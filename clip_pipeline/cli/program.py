"""The program `clip-pipeline`: its commands in the order of the help, and how it ends when something is wrong."""

from __future__ import annotations

import logging
import os
import sys

import click

from clip_pipeline.cli.adaptation import adapt
from clip_pipeline.cli.datasets import datasets
from clip_pipeline.cli.dev import dev
from clip_pipeline.cli.embedding import embed, search
from clip_pipeline.cli.evaluation import classify, compare_scores, evaluate, probe
from clip_pipeline.cli.images import download, ledger
from clip_pipeline.cli.models import models
from clip_pipeline.cli.options import CONTEXT
from clip_pipeline.cli.pipeline import plan, run, status, takedown, verify
from clip_pipeline.cli.sandbox import sandbox
from clip_pipeline.cli.sentences import terminal_sentence
from clip_pipeline.cli.text import language, tokenizer
from clip_pipeline.cli.training import compare, launch, train
from clip_pipeline.cli.variants import variants
from clip_pipeline.cli.words import words
from clip_pipeline.display.printable import PrintableStream
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.machine.child_process import PROGRAM_ENVIRONMENT
from clip_pipeline.machine.interrupts import end_as_ctrl_c_does, signal_of
from clip_pipeline.storage.disk_faults import disk_sentence
from clip_pipeline.version import __version__, renamed_option


def main() -> None:
    """Runs the command line. A `ClipPipelineError` becomes one sentence and exit status 1; it never is a traceback."""
    for name, value in PROGRAM_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    end_as_ctrl_c_does()
    sys.stdout, sys.stderr = PrintableStream(sys.stdout), PrintableStream(sys.stderr)
    try:
        status = commands(prog_name="clip-pipeline", standalone_mode=False)
        if isinstance(status, int):  # of a command that ends by `click.exceptions.Exit`
            sys.exit(status)
    except ClipPipelineError as error:
        _stop(terminal_sentence(error), 1)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        _stop("Stopped. What was finished is kept: run the same command again to go on.", 128 + signal_of(error))
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and error.ctx is not None:
            command = error.ctx.command_path.partition(" ")[2]
            renamed = renamed_option(command, error.option_name)
            error = click.UsageError(renamed, error.ctx) if renamed else error
        error.show()
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        sentence = disk_sentence(error)
        if not sentence:
            raise
        _stop(sentence, 1)


def _stop(sentence: str, status: int) -> None:
    click.echo(f"clip-pipeline: {sentence}", err=True)
    sys.exit(status)


GROUPS: dict[str, tuple[click.Command, ...]] = {
    "Pipeline": (run, status, plan, verify, takedown, dev),
    "Words": (words,),
    "Photos": (download, ledger, datasets),
    "Text": (tokenizer,),
    "Training": (models, variants, train, launch, compare),
    "Embedding": (embed,),
    "Scores": (evaluate, probe, classify, compare_scores),
    "Adaptation": (adapt,),
    "Search": (search,),
    "Language": (language,),
    "Sandbox": (sandbox,),
}
"""The commands in the order of the flow, the whole pipeline first."""


class SaidOnce(logging.Filter):
    """Lets a warning through once: a dataset is opened by each step that reads it, and each finds the same in it."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is said."""
        if record.levelno != logging.WARNING:
            return True
        line = record.getMessage()
        new = line not in self._said
        self._said.add(line)
        return new


class FlowGroup(click.Group):
    """Lists its commands in the order of GROUPS, under their names."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        longest = max(map(len, self.commands))
        for group, members in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl([(f"{one.name:<{longest}}", one.get_short_help_str(limit=200)) for one in members])


@click.group(context_settings=CONTEXT, cls=FlowGroup)
@click.version_option(__version__, prog_name="clip-pipeline")
@click.option("-v", "--verbose", is_flag=True, help="Say more about what is done and why.")
def commands(verbose: bool) -> None:
    """Words into a working CLIP, and into numbers one can trust.

    `clip-pipeline run` takes a Wikipedia dump and photos through the whole pipeline; without settings it uses a small
    generated world, so it needs no key, no network and no GPU. The other commands do one step each on files of your own.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(SaidOnce())
    logging.basicConfig(format="%(message)s", level=logging.WARNING, handlers=[handler])
    logging.getLogger("clip_pipeline").setLevel(logging.INFO if verbose else logging.WARNING)


for command in (one for members in GROUPS.values() for one in members):
    commands.add_command(command)
