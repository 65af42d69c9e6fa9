# SPDX-License-Identifier: Apache-2.0
"""Logs to stderr, one line each, as JSON for machines or as text for people.

Rule: a secret does not get out: values under names that speak of one are masked, whoever logs them.
"""

import logging
import re
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Format = Literal["text", "json"]
_SECRET = re.compile(
    r"passw|secret(?!s?_?name)|token|credential|user_?data|authorization|kubeconfig_text", re.IGNORECASE
)
_NOISY = ("httpx2", "httpcore2", "keystoneauth", "openstack", "urllib3", "stevedore", "asyncio")


def mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace values whose name speaks of a secret."""
    for name in event:
        if name != "event" and _SECRET.search(name):
            event[name] = "***"
    return event


# Without the variables of each frame: they may hold what must not get out.
_traces = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def setup(format_: Format = "json", *, level: str = "info") -> None:
    """Send the logs of this process, and those of the libraries in it, to stderr."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask,
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if format_ == "text"
        else [_traces, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
