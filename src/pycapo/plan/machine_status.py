# SPDX-License-Identifier: Apache-2.0
"""What an OpenStackMachine tells Cluster API of its server.

Rule: provisioned is said once, when the server is ACTIVE for the first time, and never taken back; so is the providerID.
"""

import msgspec

from pycapo.api.machine import MachineInitialization, OpenStackMachine, OpenStackMachineStatus
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerStatus
from pycapo.model.steps import Wait
from pycapo.plan.machine import provider_id
from pycapo.plan.references import INSTANCE_READY

NO_SERVER_YET = Wait(
    condition=INSTANCE_READY,
    reason="InstanceNotReady",
    message="the OpenStackServer does not tell anything yet",
    after=None,
)


def machine_status(
    machine: OpenStackMachine, server: OpenStackServer, *, zone: str | None
) -> tuple[OpenStackMachineStatus, str | None]:
    """The status and the providerID of a machine with this server, which runs in `zone`; conditions stay as they were."""
    before = machine.status or OpenStackMachineStatus()
    known = server.status or OpenStackServerStatus()
    told = msgspec.structs.replace(
        before,
        instance_state=known.instance_state,
        addresses=known.addresses or before.addresses,
        failure_domain=zone or before.failure_domain,
    )
    if known.instance_state != "ACTIVE" or not known.instance_id:
        return told, machine.spec.provider_id
    told.instance_id = known.instance_id
    told.initialization = MachineInitialization(provisioned=True)
    return told, provider_id(machine, known.instance_id)


def active(server: OpenStackServer) -> bool:
    """Whether the Nova server runs, as its OpenStackServer told last."""
    return server.status is not None and server.status.instance_state == "ACTIVE"
