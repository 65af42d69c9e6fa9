# SPDX-License-Identifier: Apache-2.0
"""One pass over the NICs that network attachments ask of a server.

Rule: attachments harm neither each other nor the server: what one of them fails with is told in its place and nowhere else.
"""

import msgspec

from pycapo.api.meta import Condition
from pycapo.api.v1alpha1 import AttachedPort, OpenStackNetworkAttachment, OpenStackServer, ServerAttachment
from pycapo.cloud.apply import apply
from pycapo.cloud.cloud import Cloud
from pycapo.cloud.errors import CloudError
from pycapo.cloud.server import observe_further
from pycapo.controllers.reservations import Reservations, taking
from pycapo.controllers.telling import TROUBLE, next_look, tell_steps
from pycapo.controllers.wishes import Asked
from pycapo.kube.conditions import now
from pycapo.kube.kube import Kube
from pycapo.kube.life import Again, Verdict
from pycapo.model.kinds import Kind
from pycapo.model.records import Port, Server
from pycapo.model.seen import Seen
from pycapo.model.steps import Key, Plan, Step
from pycapo.plan.attachment import told_of
from pycapo.plan.fixed_addresses import takes
from pycapo.plan.nics import CONDITION, Wish, nic_entries, nic_subnets_wanted, nics_of, nics_wanted, plan_nics
from pycapo.plan.references import Place
from pycapo.plan.report import condition_of, failed
from pycapo.plan.server import SERVER

ERROR_AGAIN = 15.0
"""Seconds until an attachment is tried again after an error that says no time of its own."""


class Nics:
    """The NICs of one server during one turn: `told` and `ids` are what a pass brings, `acted` whether it changed anything."""

    def __init__(self, kube: Kube, cloud: Cloud, server: OpenStackServer, *, reservations: Reservations[Place]) -> None:
        self._kube = kube
        self._cloud = cloud
        self._server = server
        self._reservations = reservations
        self.told: list[ServerAttachment] = []
        self.ids: list[str] = []
        self.acted = False
        self.after: float | None = None

    def take(self, asked: Asked, seen: Seen) -> None:
        """One pass for one attachment: look up what it refers to, decide, act, tell."""
        attachment, wish = asked
        if wish.held:
            self._keep(attachment, wish, seen)
        elif wish.written or nics_of(seen, wish.id):
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
        self.ids.extend(sorted(port.id for port in nics_of(seen, wish.id)))

    def _fulfil(self, attachment: OpenStackNetworkAttachment | None, wish: Wish, seen: Seen) -> None:
        done: list[Step] = []
        generation = (attachment.metadata.generation if attachment else None) or 0
        made: dict[Key, str] = {}
        try:
            seen, plan = self._decide(wish, self._look(wish, seen))
            with taking(self._reservations, seen.owner, takes(plan)):
                made = apply(plan, self._cloud, done=done)
            found = condition_of(CONDITION, Plan(waits=plan.waits), generation)
            verdict = next_look(Plan(waits=plan.waits))
            after = verdict.after if isinstance(verdict, Again) else None
        except CloudError as error:
            found = failed(CONDITION, error, generation)
            after = error.retry_after or ERROR_AGAIN
        finally:
            tell_steps(self._kube, self._server, done)
            self.acted = self.acted or bool(done)
        self._again(after)
        ids = [ref for entry in nic_entries(wish, self._server) if (ref := _id(entry.ref(seen), made))]
        self.ids.extend(ids)
        if wish.written or found.status != "True":
            self._tell(attachment, found, self._ports(ids))

    def _look(self, wish: Wish, seen: Seen) -> Seen:
        """The picture with what a wish refers to, and with the ports that may hold the addresses that it asks for."""
        seen = observe_further(self._cloud, seen, nics_wanted(wish, self._server, seen))
        subnets = nic_subnets_wanted(wish, self._server, seen)
        if not subnets:
            return seen
        ports = self._cloud.look({Kind.PORT}).all(Kind.PORT)
        others = tuple(it for it in ports if not (it.mark and it.mark.owner == seen.owner))
        beside = {**seen.beside, Kind.PORT: others}
        return observe_further(self._cloud, msgspec.structs.replace(seen, beside=beside), subnets)

    def _decide(self, wish: Wish, seen: Seen) -> tuple[Seen, Plan]:
        """The plan, and the picture that it was decided from: with what other servers are about to take."""
        with self._reservations.deciding():
            seen = msgspec.structs.replace(seen, spoken_for=self._reservations.of_others(seen.owner))
            plan = plan_nics(wish, self._server, seen, record=seen.one(Kind.SERVER, SERVER, Server))
            self._reservations.take(seen.owner, takes(plan))
        return seen, plan

    def _ports(self, ids: list[str]) -> list[AttachedPort]:
        picture = self._cloud.look(set())
        ports = (picture.get(Kind.PORT, id) for id in ids)
        return [AttachedPort(id=it.id, address=_address(it)) for it in ports if isinstance(it, Port)]

    def _tell(self, attachment: OpenStackNetworkAttachment | None, found: Condition, ports: list[AttachedPort]) -> None:
        if attachment is None:
            return
        before = told_of(attachment, self._server)
        entry = ServerAttachment(
            name=attachment.metadata.name,
            uid=attachment.metadata.uid,
            observed_generation=attachment.metadata.generation,
            ports=ports or None,
            conditions=[_since(before, found)],
        )
        self.told.append(entry)
        if found.status != "True" and found.reason in _TROUBLE:
            self._kube.event(attachment, "Warning", found.reason, f"{self._server.metadata.name}: {found.message}")

    def _again(self, after: float | None) -> None:
        if after is not None:
            self.after = after if self.after is None else min(self.after, after)


_TROUBLE = TROUBLE | {"BadRequest", "QuotaExceeded", "Forbidden", "CloudError", "CloudUnavailable"}


def _id(ref: Key | str, made: dict[Key, str]) -> str | None:
    return made.get(ref) if isinstance(ref, Key) else ref


def _address(port: Port) -> str | None:
    return next((fixed.ip_address for fixed in port.fixed_ips if fixed.ip_address), None)


def _since(before: ServerAttachment | None, found: Condition) -> Condition:
    """The condition with the time since which it has its status."""
    old = next((it for it in (before.conditions if before else None) or () if it.type == found.type), None)
    since = old.last_transition_time if old and old.status == found.status else now()
    return msgspec.structs.replace(found, last_transition_time=since)
