# SPDX-License-Identifier: Apache-2.0
"""What is sent in a creating request for the sake of ownership."""

import pytest

from pycapo.cloud.errors import BadRequest
from pycapo.cloud.marking import kept_mark, marked, never_borrowed
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark, find_mark
from pycapo.model.records import Network, Port

MARK = Mark("abcdefabcdef", "network")
LONG = "Cluster API cluster " + "n" * 300
KINDS = [kind for kind in Kind if kind is not Kind.SERVER]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extensions", [(), ("tag-ports-during-bulk-creation",)])
def test_no_description_is_longer_than_the_services_take(kind: Kind, extensions: tuple[str, ...]) -> None:
    sent = marked(kind, {"description": LONG}, MARK, extensions)

    assert len(sent["description"]) <= 255
    assert find_mark(tags=sent.get("tags", ()), description=sent["description"], metadata=sent.get("metadata")) == MARK


def test_a_description_that_is_changed_keeps_its_mark_whatever_its_length() -> None:
    known = Network(id="n1", name="net", description=MARK.described("short"))

    sent = kept_mark(Kind.NETWORK, known, {"description": LONG})

    assert len(sent["description"]) == 255
    assert find_mark(description=sent["description"]) == MARK


def test_what_is_cut_is_told_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    marked(Kind.NETWORK, {"description": LONG}, MARK, ())

    assert "description is too long and is cut" in capsys.readouterr().out


def test_what_fits_is_sent_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    sent = marked(Kind.NETWORK, {"description": "short"}, MARK, ())

    assert sent == {"description": f"short [{MARK.tag}]"}
    assert not capsys.readouterr().out


USED = Mark("abcdefabcdef", "port-0", borrowed=True)


def test_the_mark_of_what_is_only_used_may_be_taken_off() -> None:
    port = Port(id="p", network_id="n", tags=("dc", USED.tag))

    assert kept_mark(Kind.PORT, port, {"tags": ["dc"]}) == {"tags": ["dc"]}


def test_what_is_only_used_is_never_deleted() -> None:
    with pytest.raises(BadRequest, match="was not made by pycapo"):
        never_borrowed(Kind.PORT, Port(id="p", network_id="n", tags=(USED.tag,)))

    never_borrowed(Kind.PORT, Port(id="p", network_id="n", tags=(Mark("abcdefabcdef", "port-0").tag,)))
    never_borrowed(Kind.PORT, None)


def test_a_port_that_somebody_made_may_be_unplugged() -> None:
    never_borrowed(Kind.SERVER_INTERFACE, Port(id="p", network_id="n", tags=(USED.tag,)))
