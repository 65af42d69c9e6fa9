# SPDX-License-Identifier: Apache-2.0
"""The command line of the Go provider's manager, read as ours, so that a Deployment written for it starts unchanged.

    --v=4 --leader-elect=true --feature-gates=X=true -> --log-level=debug --leader-elect --ignored="--feature-gates: why"

Rule: what means something to both has one name; what means nothing to us is taken and told, never refused and never silent.
"""

from collections.abc import Iterator, Mapping, Sequence

from typer.core import TyperCommand

IGNORED: Mapping[str, str] = {
    "profiler-address": "there is no profiler; metrics tell of turns and requests",
    "kube-api-qps": "the API server itself shares out its requests",
    "kube-api-burst": "the API server itself shares out its requests",
    "lb-provider": "each cluster names its own (spec.apiServer.managedLoadBalancer.provider)",
    "scope-cache-max-size": "a login is kept as long as somebody uses it",
    "skip-crd-migration-phases": "stored objects are not rewritten",
    "feature-gates": "nothing hangs on a gate",
    "openstackmachinetemplate-concurrency": "nothing is done with templates",
    "insecure-diagnostics": "metrics are always plain HTTP; keep --diagnostics-address on the loopback",
    "vmodule": "there is one --log-level for all",
    "log-flush-frequency": "each line is written at once",
    "log-text-split-stream": "all lines go to stderr",
    "log-text-info-buffer-size": "each line is written at once",
    "log-json-split-stream": "all lines go to stderr",
    "log-json-info-buffer-size": "each line is written at once",
}
"""Flags of the Go provider's manager that mean nothing here, and why."""

RENAMED: Mapping[str, str] = {"logging-format": "log-format"}
_SWITCHES = frozenset({"leader-elect", "insecure-diagnostics", "log-text-split-stream", "log-json-split-stream"})
"""Flags that take no value but behind an equals sign."""
_DEBUG = 4  # klog's level from which on it is debugging


class ManagerCommand(TyperCommand):
    """A command that takes the Go provider's flags besides its own."""

    def parse_args(self, ctx: object, args: list[str]) -> list[str]:
        """Read the arguments as ours first."""
        return super().parse_args(ctx, list(ours(args)))  # type: ignore[arg-type]


def ours(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments in our words; those that are ignored stay as `--ignored` with the reason."""
    left = list(arguments)
    while left:
        argument = left.pop(0)
        name, equals, value = _parted(argument)
        if not name:
            yield argument
        elif name == "leader-elect":
            yield from [] if _off(value) else ["--leader-elect"]
        elif name == "v":
            yield f"--log-level={_level(value if equals else _next(left))}"
        elif name in IGNORED:
            if not equals and name not in _SWITCHES:
                _next(left)
            yield f"--ignored=--{name}: {IGNORED[name]}"
        else:
            yield f"--{RENAMED.get(name, name)}{equals}{value}"


def _parted(argument: str) -> tuple[str, str, str]:
    """Name, equals sign and value of a long flag, its words joined by dashes as ours are; no name for anything else."""
    if argument.startswith("-v") and not argument.startswith("--"):
        value = argument.removeprefix("-v").removeprefix("=")
        return "v", "=" if value else "", value
    if not argument.startswith("--"):
        return "", "", ""
    name, equals, value = argument.removeprefix("--").partition("=")
    return name.replace("_", "-"), equals, value


def _next(left: list[str]) -> str:
    return left.pop(0) if left else ""


def _off(value: str) -> bool:
    return value.lower() in ("false", "f", "0")


def _level(verbosity: str) -> str:
    return "debug" if verbosity.isdigit() and int(verbosity) >= _DEBUG else "info"
