# SPDX-License-Identifier: Apache-2.0
"""The life of an OpenStackServer: from a spec to a running Nova server with its ports and volumes, and back to nothing.

    spec    -> checked -> volumes, ports, trunks -> server -> ACTIVE
    nothing <- volumes, ports, trunks <- server <- deleted

Rule: one turn looks once, decides once, acts, and tells what was seen and what the answers brought.
"""

import base64
from typing import ClassVar

import msgspec

from pycapo.api.capi import CLUSTER_NAME_LABEL, Cluster
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.orc import Image as ImageObject
from pycapo.api.v1alpha1 import OpenStackNetworkAttachment, OpenStackServer, OpenStackServerStatus
from pycapo.cloud.apply import apply
from pycapo.cloud.cloud import Cloud
from pycapo.cloud.errors import CloudError
from pycapo.cloud.server import (
    observe_further,
    observe_holders,
    observe_server,
    observe_spaces,
    observe_subnets,
    observe_trunks,
    with_own,
)
from pycapo.controllers import family, pool_address
from pycapo.controllers.attachment import labels_changed
from pycapo.controllers.claimed_addresses import ClaimedAddresses
from pycapo.controllers.family import grounds_of, owning_machine
from pycapo.controllers.identity import Clouds, open_cloud
from pycapo.controllers.nics import Nics
from pycapo.controllers.own_networks import look_at_own
from pycapo.controllers.pool_address import PoolAddress
from pycapo.controllers.quota import Shares, sharing
from pycapo.controllers.reservations import Reservations, taking
from pycapo.controllers.telling import (
    give_up_for_now,
    next_look,
    tell_error,
    tell_login,
    tell_plan,
    tell_routing,
    tell_steps,
    tell_trouble,
)
from pycapo.controllers.wishes import wished_networks
from pycapo.kube import conditions
from pycapo.kube.controller import Watch, wish_changed
from pycapo.kube.kube import Kube
from pycapo.kube.life import Again, Gone, Life, Verdict
from pycapo.kube.meta import ObjectKey, key_of, owners_of
from pycapo.model.kinds import Kind
from pycapo.model.marks import OWNER_ANNOTATION, new_owner
from pycapo.model.records import Image, Server
from pycapo.model.seen import Seen
from pycapo.model.steps import Plan, Sealed, Step, Wait
from pycapo.plan.capabilities import server_needs
from pycapo.plan.fixed_addresses import subnets_wanted, takes
from pycapo.plan.machine import SERVER_FINALIZER, noted_server
from pycapo.plan.machine_networks import complete, placed
from pycapo.plan.nics import has_trunks
from pycapo.plan.overlaps import LOOK_AGAIN, SPACES, networks_met, overlap_waits
from pycapo.plan.plugging import lost_wanted, unplugged
from pycapo.plan.pool_address import ADDRESS_READY, held_back
from pycapo.plan.port_claims import claims_wanted
from pycapo.plan.port_floating_ips import networks_wanted
from pycapo.plan.ports import missing_ports
from pycapo.plan.references import IMAGE_OBJECT, INSTANCE_READY, Place, image_object, wanted
from pycapo.plan.routes import needs_facts
from pycapo.plan.server import SERVER, SURE, freshness, plan_server, retire_server, takes_nics
from pycapo.plan.server_status import resolved_spec, server_status


class ServerLife(Life[OpenStackServer]):
    """Gives every OpenStackServer its Nova server."""

    kind = OpenStackServer
    finalizer: ClassVar[str] = SERVER_FINALIZER

    def __init__(self, kube: Kube, clouds: Clouds) -> None:
        self._kube = kube
        self._clouds = clouds
        self._reservations: Reservations[Place] = Reservations()
        self._shares = Shares()
        self._claimed = ClaimedAddresses(kube)
        self._pool_address = PoolAddress(self._claimed)

    def paused(self, obj: OpenStackServer) -> bool:
        """Whether the cluster that the server belongs to is paused; a server may belong to none."""
        name = (obj.metadata.labels or {}).get(CLUSTER_NAME_LABEL)
        cluster = self._kube.get(Cluster, obj.metadata.namespace or "", name) if name else None
        return bool(cluster and cluster.spec and cluster.spec.paused)

    def prepare(self, obj: OpenStackServer) -> None:
        """Gives the server the id by which it knows its resources again, its machine's if it has one, and its own networks."""
        machine = owning_machine(self._kube, obj)
        theirs = (machine.metadata.annotations or {}).get(OWNER_ANNOTATION) if machine else None
        obj.metadata.annotations = {OWNER_ANNOTATION: theirs or new_owner(), **(obj.metadata.annotations or {})}
        obj.spec.networks = wished_networks(self._kube, obj)

    def live(self, obj: OpenStackServer) -> Verdict:
        """One pass for a server that shall exist."""
        obj.status = obj.status or OpenStackServerStatus()
        done: list[Step] = []
        try:
            cloud = self._cloud(obj)
            claimed = self._pool_address.claimed(obj)
            own = look_at_own(cloud, obj)
            acting = placed(obj, own)
            seen = self._shares.look(cloud, with_own(self._look(cloud, acting), own))
            nics = Nics(self._kube, cloud, acting, reservations=self._reservations)
            takes_some = takes_nics(held_back(plan_server(acting, seen), claimed), seen)
            seen = nics.attend(seen, takes_some=takes_some)
            seen, plan = self._decide(cloud, acting, seen, claimed)
            if plan.steps and complete(obj, seen) and seen.found:
                obj.status.resolved = resolved_spec(acting, seen) or obj.status.resolved
            with taking(self._reservations, seen.owner, takes(plan)), sharing(self._shares, seen.owner):
                made = apply(plan, cloud, done=done)
            floating = self._pool_address.point(obj, cloud, seen, claimed)
            done.extend(floating.steps)
        except CloudError as error:
            tell_error(obj, INSTANCE_READY, error)
            obj.status.ready = False
            return give_up_for_now(self._kube, obj, error)
        finally:
            tell_steps(self._kube, obj, done)
        obj.status = server_status(acting, seen, plan + floating, made)
        tell_login(obj)
        tell_plan(obj, INSTANCE_READY, plan)
        tell_routing(obj, seen)
        if claimed is not None:
            tell_plan(obj, ADDRESS_READY, floating if seen.one(Kind.SERVER, SERVER, Server) else plan + floating)
        tell_trouble(self._kube, obj, plan + floating)
        return nics.verdict(next_look(plan + floating))

    def _decide(self, cloud: Cloud, obj: OpenStackServer, seen: Seen, claimed: str | Wait | None) -> tuple[Seen, Plan]:
        """The plan, and the picture that it was decided from: with what other servers are about to take."""
        with self._reservations.deciding():
            seen = msgspec.structs.replace(seen, spoken_for=self._reservations.of_others(seen.owner))
            seen = self._shares.left(cloud, seen)
            plan = held_back(plan_server(obj, seen), claimed)
            self._reservations.take(seen.owner, takes(plan))
            self._shares.take(cloud, seen, plan)
        return seen, plan

    def retire(self, obj: OpenStackServer) -> Verdict:
        """One pass of the end; Gone when nothing of the server's is left."""
        if OWNER_ANNOTATION not in (obj.metadata.annotations or {}):
            self.prepare(obj)
            return Again(0.0, "what another controller made is taken over")
        done: list[Step] = []
        try:
            cloud = self._cloud(obj)
            plan = retire_server(obj, with_own(self._look(cloud, obj), look_at_own(cloud, obj)))
            tell_plan(obj, INSTANCE_READY, plan)
            apply(plan, cloud, done=done)
        except CloudError as error:
            tell_error(obj, INSTANCE_READY, error)
            return give_up_for_now(self._kube, obj, error)
        finally:
            tell_steps(self._kube, obj, done)
        if not plan.settled:
            return next_look(plan)
        waiting = self._claimed.release(obj, self._claimed.names(obj))
        if waiting is not None:
            tell_plan(obj, INSTANCE_READY, Plan(waits=(waiting,)))
            return next_look(Plan(waits=(waiting,)))
        self._reservations.let_go((obj.metadata.annotations or {})[OWNER_ANNOTATION])
        return Gone()

    def _look(self, cloud: Cloud, obj: OpenStackServer) -> Seen:
        """Everything that deciding about a server needs; trouble is looked at again sooner than the picture would."""
        self._remember(obj)
        owner = (obj.metadata.annotations or {})[OWNER_ANNOTATION]
        references = wanted(obj.spec)
        cloud.extensions({extension for _, extension in server_needs(obj)})
        seen = observe_server(cloud, obj, owner, wanted=references)
        noted = bool(obj.status and obj.status.instance_id)
        age = freshness(seen.one(Kind.SERVER, SERVER, Server), told=_told(obj), noted=noted)
        if age < 300.0:
            seen = observe_server(cloud, obj, owner, wanted=references, max_age=age)
        if obj.metadata.deletion_timestamp:
            return observe_trunks(cloud, seen) if has_trunks(seen) else seen
        seen = observe_further(cloud, seen, networks_wanted(obj, seen))
        seen = msgspec.structs.replace(seen, claimed=self._claimed.get(obj, claims_wanted(obj, seen)))
        if record := seen.one(Kind.SERVER, SERVER, Server):
            if unplugged(obj, seen, record):
                cloud.look({Kind.PORT}, max_age=SURE)
                again = observe_server(cloud, obj, owner, wanted={})
                seen = msgspec.structs.replace(seen, owned=again.owned)
            return observe_lost(cloud, obj, seen)
        seen = observe_places(cloud, obj, seen)
        seen = _with_spaces(cloud, obj, seen)
        found = {**seen.found, IMAGE_OBJECT: _image(self._kube, obj)} if image_object(obj.spec) else seen.found
        seen = observe_subnets(cloud, seen) if needs_facts(obj) else seen
        data, format = self._user_data(obj)
        return msgspec.structs.replace(seen, found=found, user_data=data, user_data_format=format)

    def _remember(self, obj: OpenStackServer) -> None:
        """Takes the id of a server that existed from the machine's providerID where status was lost."""
        machine = owning_machine(self._kube, obj)
        obj.status = obj.status or OpenStackServerStatus()
        if obj.status.instance_id is None and machine is not None:
            obj.status.instance_id = noted_server(machine)

    def _user_data(self, obj: OpenStackServer) -> tuple[Sealed | None, str]:
        """The bootstrap provider's data in base64, and what it calls their format."""
        reference = obj.spec.user_data_ref
        secret = self._kube.secret(obj.metadata.namespace or "", reference.name) if reference else None
        value, format = (secret or {}).get("value"), (secret or {}).get("format", b"")
        return Sealed(base64.b64encode(value).decode()) if value is not None else None, format.decode()

    def _cloud(self, obj: OpenStackServer) -> Cloud:
        return open_cloud(self._kube, self._clouds, obj.metadata.namespace or "", obj.spec.identity_ref)


def _image(kube: Kube, obj: OpenStackServer) -> tuple[Image, ...]:
    """The image behind the Image object that a spec refers to."""
    name = image_object(obj.spec) or ""
    found = kube.read(ImageObject, obj.metadata.namespace or "", name)
    return (Image(id=found.available_id, name=name),) if found and found.available_id else ()


def _with_spaces(cloud: Cloud, obj: OpenStackServer, seen: Seen) -> Seen:
    """The same with the subnets of the networks that a server is to be on; before it is refused any, they are looked at anew."""
    met = networks_met(obj, seen)
    found = observe_spaces(cloud, seen, met, path=SPACES)
    overlapping = any(overlap_waits(obj, found))
    return observe_spaces(cloud, seen, met, path=SPACES, max_age=LOOK_AGAIN / 2) if overlapping else found


def observe_lost(cloud: Cloud, obj: OpenStackServer, seen: Seen) -> Seen:
    """The same with what the lost ports of a running server refer to; costs nothing where none is lost."""
    if not missing_ports(obj, seen):
        return seen
    return observe_places(cloud, obj, observe_further(cloud, seen, lost_wanted(obj, seen)))


def observe_places(cloud: Cloud, obj: OpenStackServer, seen: Seen) -> Seen:
    """The same with what tells whether addresses can be had: the subnets that they lie in, and who holds them."""
    return observe_holders(cloud, obj, observe_further(cloud, seen, subnets_wanted(obj, seen)))


def _told(obj: OpenStackServer) -> str:
    """Why the server was not ready when it was looked at last."""
    before = conditions.find(obj, INSTANCE_READY)
    return before.reason if before else ""


def watches(kube: Kube) -> tuple[Watch, ...]:
    """What else makes a server look again: its cluster, when it is paused or goes on, attachments, its machine's labels."""

    def servers_of(namespace: str, cluster: str) -> list[ObjectKey]:
        return [key_of(item) for item in family.servers_of(kube, namespace, cluster)]

    def of_cluster(obj: Cluster) -> list[ObjectKey]:
        return servers_of(*key_of(obj))

    def paused_or_not(old: Cluster, new: Cluster) -> bool:
        return bool(old.spec and old.spec.paused) != bool(new.spec and new.spec.paused)

    def of_infrastructure(obj: OpenStackCluster) -> list[ObjectKey]:
        return [key for owner in owners_of(obj, Cluster) for key in servers_of(*owner)]

    def networks_changed(old: OpenStackCluster, new: OpenStackCluster) -> bool:
        before, after = (_named_ids(it) for it in (old, new))
        return before != after  # a NIC of an attachment may wait for a named network

    def of_machine(obj: OpenStackMachine) -> list[ObjectKey]:
        return [key_of(obj)]

    def of_attachment(obj: OpenStackNetworkAttachment) -> list[ObjectKey]:
        return servers_of(obj.metadata.namespace or "", obj.spec.cluster_name)

    return (
        Watch(Cluster, of_cluster, changed=paused_or_not),
        Watch(OpenStackMachine, of_machine, changed=labels_changed),
        Watch(OpenStackCluster, of_infrastructure, changed=networks_changed),
        Watch(OpenStackNetworkAttachment, of_attachment, changed=wish_changed),
        *pool_address.watches(kube),
    )


def _named_ids(cluster: OpenStackCluster) -> list[tuple[object, ...]]:
    return [grounds_of(it) for it in (cluster.status.networks if cluster.status else None) or ()]
