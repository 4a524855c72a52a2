"""The lines that the package logs while a step runs, in the log of the run that the page shows."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

PACKAGE = "clip_pipeline"


class _Forward(logging.Handler):
    def __init__(self, run_log: logging.Logger):
        super().__init__(logging.INFO)
        self._run_log = run_log

    def emit(self, record: logging.LogRecord) -> None:
        self._run_log.log(record.levelno, self.format(record))


@contextmanager
def package_lines_in(run_log: logging.Logger) -> Iterator[None]:
    """Inside it every line of clip_pipeline's loggers, from INFO on, is a line of `run_log`, the `context.log` of a step.

    So the page says what is waited for (another run's lock, a request budget), what was left out and how far long work is, however
    the instance is configured. Worker processes log to the step's own output, as before.
    """
    logger, handler = logging.getLogger(PACKAGE), _Forward(run_log)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
