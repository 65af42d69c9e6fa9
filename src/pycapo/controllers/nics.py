# SPDX-License-Identifier: Apache-2.0
"""One pass over the NICs that network attachments ask of a server.

Rule: attachments harm neither each other nor the server: what one of them fails with is told in its place and nowhere else.
"""

from collections.abc import Iterator, Mapping

import msgspec

from pycapo.api.meta import Condition
from pycapo.api.v1alpha1 import AttachedPort, OpenStackNetworkAttachment, OpenStackServer, ServerAttachment
from pycapo.cloud.apply import apply
from pycapo.cloud.cloud import Cloud
from pycapo.cloud.errors import CloudError
from pycapo.cloud.server import (
    observe_asked,
    observe_further,
    observe_groups,
    observe_holders,
    observe_server,
    observe_subnets,
    observe_trunks,
)
from pycapo.controllers.claimed_addresses import ClaimedAddresses
from pycapo.controllers.reservations import Reservations, taking
from pycapo.controllers.telling import TROUBLE, next_look, tell_steps
from pycapo.controllers.wishes import Asked, wishes_for
from pycapo.kube.conditions import now
from pycapo.kube.kube import Kube
from pycapo.kube.life import Again, Verdict
from pycapo.model.kinds import Kind
from pycapo.model.records import Port, Server
from pycapo.model.seen import Seen
from pycapo.model.steps import Plan, Step, Wait
from pycapo.plan.asking import asking_server, nic_subnets_wanted, nics_wanted
from pycapo.plan.attaching import plan_nics
from pycapo.plan.attachment import told_of
from pycapo.plan.fixed_addresses import LOOK_AGAIN, PASSING, takes
from pycapo.plan.nics import CONDITION, Wish, has_trunks, hold_back, is_trunk, leaves_groups, made_for, nic_entries
from pycapo.plan.plugging import is_child
from pycapo.plan.port_claims import claims_prefix, nic_claims_wanted, spent
from pycapo.plan.references import Place
from pycapo.plan.report import condition_of, failed
from pycapo.plan.routes import default_route_told, needs_subnets
from pycapo.plan.server import SERVER

ERROR_AGAIN = 15.0
"""Seconds until an attachment is tried again after an error that says no time of its own."""


class Nics:
    """The NICs of one server during one turn: `told` is what a pass brings, `acted` whether it changed anything."""

    def __init__(self, kube: Kube, cloud: Cloud, server: OpenStackServer, *, reservations: Reservations[Place]) -> None:
        self._kube = kube
        self._cloud = cloud
        self._server = server
        self._reservations = reservations
        self._claimed = ClaimedAddresses(kube)
        self._claims: tuple[str, ...] = ()
        self._ids: list[str] = []
        self._default = ""
        self.told: list[ServerAttachment] = []
        self.acted = False
        self.after: float | None = None

    def attend(self, seen: Seen, *, takes_some: bool) -> Seen:
        """The pass over all attachments; the picture with their NICs in it. `takes_some`: the server may get NICs now."""
        obj = self._server
        self._claims = self._claimed.names(obj)
        for attachment, wish in wishes_for(self._kube, obj, seen, self._claims):
            self.take((attachment, wish if takes_some else hold_back(wish)), seen)
        if obj.status and (self.told or obj.status.attachments):
            obj.status.attachments = self.told or None
        if self.acted:
            again = observe_server(self._cloud, obj, seen.owner, wanted={})
            owned = {**seen.owned, **again.owned}
            seen = msgspec.structs.replace(seen, owned=owned, beside={**seen.beside, **again.beside})
        seen = msgspec.structs.replace(seen, nics=tuple(self._ids), default_nic=self._default)
        return observe_subnets(self._cloud, seen) if needs_subnets(obj, seen) else seen

    def take(self, asked: Asked, seen: Seen) -> None:
        """One pass for one attachment: look up what it refers to, decide, act, tell."""
        attachment, wish = asked
        if wish.held:
            self._keep(attachment, wish, seen)
        elif wish.written or made_for(seen, wish.id) or self._has_claims(wish):
            self._fulfil(attachment, wish, seen)

    def verdict(self, verdict: Verdict) -> Verdict:
        """The verdict about the server, or an earlier look for the sake of its NICs."""
        if self.after is None or (isinstance(verdict, Again) and verdict.after <= self.after):
            return verdict
        return Again(self.after, "a network attachment is not done")

    def _keep(self, attachment: OpenStackNetworkAttachment | None, wish: Wish, seen: Seen) -> None:
        """Leaves the NICs of an attachment, and what was told of them, as they are."""
        before = told_of(attachment, self._server) if attachment else None
        self.told.extend([before] if before else [])
        ports = ((it.id, it.mark.role) for it in made_for(seen, wish.id) if isinstance(it, Port) and it.mark)
        self._ids.extend(sorted(id for id, role in ports if not is_child(role)))

    def _fulfil(self, attachment: OpenStackNetworkAttachment | None, wish: Wish, seen: Seen) -> None:
        done: list[Step] = []
        generation = (attachment.metadata.generation if attachment else None) or 0
        before = told_of(attachment, self._server) if attachment else None
        try:
            seen, plan = self._decide(wish, self._look(wish, seen, before))
            with taking(self._reservations, seen.owner, takes(plan)):
                apply(plan, self._cloud, done=done)
            waits = (*plan.waits, *self._release(wish, seen))
            found = condition_of(CONDITION, Plan(waits=waits), generation)
            verdict = next_look(Plan(waits=waits))
            after = verdict.after if isinstance(verdict, Again) else None
        except CloudError as error:
            found = failed(CONDITION, error, generation)
            after = error.retry_after or ERROR_AGAIN
        finally:
            tell_steps(self._kube, self._server, done)
            self.acted = self.acted or bool(done)
        self._again(after)
        ports = self._ports(wish, seen)
        if attachment and (wish.written or found.status != "True"):
            self._tell(attachment, [found, *self._told_of_route(wish, seen, ports)], ports)

    def _look(self, wish: Wish, seen: Seen, before: ServerAttachment | None) -> Seen:
        """What a wish refers to, and what may stand in its way; nothing is older than what was told last can have changed."""
        passing = any(it.reason in PASSING for it in (before.conditions if before else None) or ())
        age = LOOK_AGAIN / 2 if passing else 300.0
        asking = asking_server(wish, self._server)
        seen = observe_asked(self._cloud, seen, asking, max_age=age)
        trunks = any(port.trunk or port.subports for port in wish.written)
        seen = observe_trunks(self._cloud, seen) if trunks or has_trunks(seen) else seen
        seen = observe_further(self._cloud, seen, nics_wanted(wish, self._server, seen))
        seen = observe_further(self._cloud, seen, nic_subnets_wanted(wish, self._server, seen))
        seen = observe_groups(self._cloud, seen) if leaves_groups(wish) else seen
        wanted = nic_claims_wanted(wish, self._server, seen)
        seen = msgspec.structs.replace(seen, claimed=self._claimed.get(self._server, wanted))
        return observe_holders(self._cloud, asking, seen)

    def _decide(self, wish: Wish, seen: Seen) -> tuple[Seen, Plan]:
        """The plan, and the picture that it was decided from: with what other servers are about to take."""
        with self._reservations.deciding():
            seen = msgspec.structs.replace(seen, spoken_for=self._reservations.of_others(seen.owner))
            plan = plan_nics(wish, self._server, seen, record=seen.one(Kind.SERVER, SERVER, Server))
            self._reservations.take(seen.owner, takes(plan))
        return seen, plan

    def _has_claims(self, wish: Wish) -> bool:
        return any(it.startswith(claims_prefix(self._server.metadata.name, wish.id)) for it in self._claims)

    def _release(self, wish: Wish, seen: Seen) -> tuple[Wait, ...]:
        """Lets the claims go whose addresses are not used any more; what is waited for then."""
        if not self._has_claims(wish):
            return ()
        ports = self._cloud.look(set()).owned(Kind.PORT, seen.owner)
        now_seen = msgspec.structs.replace(seen, owned={**seen.owned, Kind.PORT: ports})
        waiting = self._claimed.release(self._server, spent(self._claims, wish, self._server, now_seen))
        return (msgspec.structs.replace(waiting, condition=CONDITION),) if waiting else ()

    def _ports(self, wish: Wish, seen: Seen) -> dict[str, Port]:
        """By role the ports of a wish that are there after a pass, ready to be plugged in; in the order of its entries."""
        picture = self._cloud.look(set())
        there = {it.mark.role: it for it in picture.owned(Kind.PORT, seen.owner) if it.mark and isinstance(it, Port)}
        trunks = {it.mark.role for it in picture.owned(Kind.TRUNK, seen.owner) if it.mark}
        entries = (it for it in nic_entries(wish, self._server) if not is_trunk(it.role) or it.role in trunks)
        ports = {entry.role: there[entry.role] for entry in entries if entry.role in there}
        self._ids.extend(port.id for port in ports.values())
        return ports

    def _told_of_route(self, wish: Wish, seen: Seen, ports: Mapping[str, Port]) -> Iterator[Condition]:
        """What becomes of the default route where a wish says that it leaves by one of its NICs."""
        asked = (entry for entry in nic_entries(wish, self._server) if entry.port.default_route)
        for entry in asked:
            if entry.role in ports and not any(port.default_route for port in self._server.spec.ports):
                self._default = self._default or entry.role
            yield from default_route_told(self._server, entry, seen)
            return

    def _tell(self, to: OpenStackNetworkAttachment, found: list[Condition], ports: Mapping[str, Port]) -> None:
        before = told_of(to, self._server)
        entry = ServerAttachment(
            name=to.metadata.name,
            uid=to.metadata.uid,
            observed_generation=to.metadata.generation,
            ports=[AttachedPort(id=it.id, address=_address(it)) for it in ports.values()] or None,
            conditions=[_since(before, it) for it in found],
        )
        self.told.append(entry)
        if found[0].status != "True" and found[0].reason in _TROUBLE:
            self._kube.event(to, "Warning", found[0].reason, f"{self._server.metadata.name}: {found[0].message}")

    def _again(self, after: float | None) -> None:
        if after is not None:
            self.after = after if self.after is None else min(self.after, after)


_TROUBLE = TROUBLE | {"BadRequest", "QuotaExceeded", "Forbidden", "CloudError", "CloudUnavailable"}


def _address(port: Port) -> str | None:
    return next((fixed.ip_address for fixed in port.fixed_ips if fixed.ip_address), None)


def _since(before: ServerAttachment | None, found: Condition) -> Condition:
    """The condition with the time since which it has its status."""
    old = next((it for it in (before.conditions if before else None) or () if it.type == found.type), None)
    since = old.last_transition_time if old and old.status == found.status else now()
    return msgspec.structs.replace(found, last_transition_time=since)
