# SPDX-License-Identifier: Apache-2.0
"""How the NICs that were made for an attachment are known again in its entries, although these change.

    entry as it is written -> fingerprint -> role, counted among those that are alike
    the same with or without a word on groups, or with other ports in its trunk -> the role that its port has already

Rule: a port belongs to one entry, and an entry whose port can be as it says by changes in place keeps it. Where several fit, the
one that the entry names comes first, then the one that needs the fewest changes.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pycapo.api.ports import PortBody, PortOpts, Subport
from pycapo.model.records import Port
from pycapo.plan.plugging import NIC, is_child

IN_PLACE = (
    *("tags", "description", "nameSuffix", "adminStateUp", "allowedAddressPairs", "defaultSecurityGroups"),
    *("floatingIP", "defaultRoute"),
)
"""Fields of an entry that change in place, whatever was there before."""

SAID = ("securityGroups", "enablePortSecurity", "qosPolicy")
"""Fields that Neutron changes in place as long as the entry has a word on them; without one they are Neutron's default."""

GROUPS = "securityGroups"
"""Of these the one that is as well known without a word: those are the groups that the NIC would be made with."""

_ROLE = re.compile(rf"{NIC}[^-]+-(?P<print>[^-]+)-(?P<trunk>t?)(?P<number>\d+)$")


class Roles(msgspec.Struct, frozen=True):
    """The role of the port of an entry, and what follows it in those of the ports that its trunk carries."""

    parent: str
    children: tuple[str, ...] = ()


class _Form(msgspec.Struct, frozen=True):
    """One way in which an entry may have been written when its port was made, and what its trunk carried then."""

    print: str
    children: frozenset[str]
    exact: bool = True
    by_place: bool = False


class _Match(msgspec.Struct, frozen=True):
    """An entry and a port that may be its: the greater `fit`, the better."""

    fit: tuple[int, ...]
    index: int
    role: str
    form: _Form


def fingerprint(port: PortOpts) -> str:
    """What cannot change of a NIC, as ten letters: the same for ever, for it is written in the marks of ports."""
    return letters(_lasting(_with_trunk(port)))


def roles_of(id: str, written: Sequence[PortOpts], names: Sequence[str], ports: Sequence[Port]) -> tuple[Roles, ...]:
    """The roles of the entries of an attachment, given the names that their ports are to have and the ports that are there."""
    carried = _carried(ports)
    known: dict[int, Roles] = {}
    for match in sorted(_matches(written, names, ports, carried), key=lambda it: (it.fit, -it.index), reverse=True):
        taken = any(it.parent == match.role for it in known.values())
        if match.index not in known and not taken:
            subports = written[match.index].subports or ()
            places = tuple(str(place) for place in range(len(subports)))
            children = places if match.form.by_place else _children(subports, carried[match.role])
            known[match.index] = Roles(match.role, children)
    return tuple(_new(id, written, known))


def letters(said: Any) -> str:
    """A fingerprint of anything that JSON can say."""
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:10]


def _lasting(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: True if name in SAID else value for name, value in said.items() if name not in IN_PLACE}


def _with_trunk(port: PortOpts) -> dict[str, Any]:
    """What an entry says, with no more of its trunk than that there is one: what the trunk carries changes in place."""
    said: dict[str, Any] = msgspec.to_builtins(port)
    return (
        {**{name: value for name, value in said.items() if name != "subports"}, "trunk": True}
        if port.subports
        else said
    )


def _forms(port: PortOpts) -> Iterator[_Form]:
    """How an entry may have been written; ports of trunks had the place in the list in their roles once, and were fixed."""
    exact = frozenset(_children(port.subports or (), frozenset()))
    yield _Form(fingerprint(port), exact)
    yield _Form(letters(_other_word(_lasting(_with_trunk(port)))), exact, exact=False)
    if port.subports:
        places, fixed = frozenset(map(str, range(len(port.subports)))), _lasting(msgspec.to_builtins(port))
        yield _Form(letters(fixed), places, by_place=True)
        yield _Form(letters(_other_word(fixed)), places, exact=False, by_place=True)


def _other_word(said: Mapping[str, Any]) -> dict[str, Any]:
    """The same without its word on groups, or with one where it has none."""
    kept = {name: value for name, value in said.items() if name != GROUPS}
    return kept if GROUPS in said else {**kept, GROUPS: True}


def _matches(
    written: Sequence[PortOpts], names: Sequence[str], ports: Sequence[Port], carried: Mapping[str, frozenset[str]]
) -> Iterator[_Match]:
    counted: Counter[str] = Counter()
    for index, port in enumerate(written):
        number, trunk = counted[fingerprint(port)], _trunk(port)
        counted[fingerprint(port)] += 1
        for it in ports:
            role = it.mark.role if it.mark else ""
            said = _ROLE.match(role)
            for form in _forms(port) if said and said["trunk"] == trunk else ():
                if said and said["print"] == form.print:
                    own, same = carried[role], carried[role] == form.children
                    place = form.exact and int(said["number"]) == number
                    named = it.name == names[index]  # by its place in the list, unless the entry has a name of its own
                    fit = (named and bool(port.name_suffix), form.exact, same, named, len(own & form.children), place)
                    yield _Match(tuple(map(int, fit)), index, role, form)


def _carried(ports: Sequence[Port]) -> dict[str, frozenset[str]]:
    """By the role of each parent what follows it in the roles of the ports that its trunk carries."""
    roles = [it.mark.role for it in ports if it.mark]
    children = [role.rpartition("-") for role in roles if is_child(role)]
    return {
        role: frozenset(last for first, _, last in children if first == role) for role in roles if not is_child(role)
    }


def _new(id: str, written: Sequence[PortOpts], known: Mapping[int, Roles]) -> Iterator[Roles]:
    """The roles that are known, and for each other entry the first that is free; its place among its like by default."""
    taken, counted = {it.parent for it in known.values()}, Counter[str]()
    for index, port in enumerate(written):
        print_ = fingerprint(port)
        base, number = f"{NIC}{id}-{print_}-{_trunk(port)}", counted[print_]
        counted[print_] += 1
        if index in known:
            yield known[index]
            continue
        role = next(it for n in (number, *range(len(written))) if (it := f"{base}{n}") not in taken)
        taken.add(role)
        yield Roles(role, _children(port.subports or (), frozenset()))


def _trunk(port: PortOpts) -> str:
    return "t" if port.trunk or port.subports else ""


def _children(subports: Sequence[Subport], there: frozenset[str]) -> tuple[str, ...]:
    """What follows the parent's role in those of the ports of its trunk: four letters each, the same ones for the same port."""
    prints = [letters(_of_child(it))[:4] for it in subports]
    others = [letters(_of_child(it, other=True))[:4] for it in subports]
    counted: Counter[str] = Counter()
    children = []
    for exact, other in zip(prints, others, strict=True):
        number = counted[exact]
        counted[exact] += 1
        own = f"{exact}_{number}" if number else exact
        children.append(other if own not in there and other in there and other not in prints else own)
    return tuple(children)


def _of_child(subport: Subport, *, other: bool = False) -> dict[str, Any]:
    port: PortBody = subport.port
    said = _lasting(msgspec.to_builtins(port))
    return {**(_other_word(said) if other else said), "segment": [subport.segmentation_type, subport.segmentation_id]}
