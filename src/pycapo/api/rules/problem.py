# SPDX-License-Identifier: Apache-2.0
"""One thing that is wrong with an object, in the words of the Kubernetes API.

Rule: a problem names the field, what was found there, and what works instead. The spelling of reasons and messages is
that of `field.Error` in k8s.io/apimachinery, because kubectl, Cluster API and Argo CD print or parse it.
"""

from dataclasses import dataclass
from enum import Enum

import msgspec

LONGEST_VALUE = 160


class Fault(Enum):
    """What sort of wrong: the words for a person, and the reason of a StatusCause for a program."""

    INVALID = ("Invalid value", "FieldValueInvalid")
    FORBIDDEN = ("Forbidden", "FieldValueForbidden")
    DUPLICATE = ("Duplicate value", "FieldValueDuplicate")
    REQUIRED = ("Required value", "FieldValueRequired")

    @property
    def words(self) -> str:
        """The words for a person."""
        return self.value[0]

    @property
    def reason(self) -> str:
        """The reason for a program."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Problem:
    """A wrong field: `path` is spelled as in `spec.ports[0].macAddress`, `value` is what was found there."""

    path: str
    message: str
    value: object = None
    fault: Fault = Fault.INVALID

    @property
    def body(self) -> str:
        """The text without the path, as a StatusCause carries it."""
        shown = "" if self.fault in (Fault.FORBIDDEN, Fault.REQUIRED) else f"{show(self.value)}: "
        return f"{self.fault.words}: {shown}{self.message}"

    def __str__(self) -> str:
        return f"{self.path}: {self.body}"


def forbidden(path: str, message: str) -> Problem:
    """Return the problem of a field that may not be set or changed like that."""
    return Problem(path, message, fault=Fault.FORBIDDEN)


def duplicate(path: str, message: str, value: object) -> Problem:
    """Return the problem of a value that may be there only once."""
    return Problem(path, message, value, Fault.DUPLICATE)


def required(path: str, message: str) -> Problem:
    """Return the problem of a field that is missing."""
    return Problem(path, message, fault=Fault.REQUIRED)


def show(value: object) -> str:
    """Return a value as short JSON; `nothing` when it is absent."""
    if value is None:
        return "nothing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
