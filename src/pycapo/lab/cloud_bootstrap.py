# SPDX-License-Identifier: Apache-2.0
"""What the lab's cloud offers from the start: projects and users, services, flavors, zones, an image, a network.

Rule: it is made once, for the template that every lab's data is copied from; what differs between labs (ports, the
loopback network) is put right in the copy by `cloud_template`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openstack
import yaml
from openstack.connection import Connection

from pycapo.lab.cloud_config import PASSWORD, REGION, ZONES, Site
from pycapo.lab.places import Lab, write

AGENT = "lab-of-pycapo"  # not `pycapo/...`: what the lab itself asks is not counted as the product's
TENANT, OTHER_TENANT, ADMIN = "pycapo", "other", "admin"
TENANT_ROLES = ("member", "load-balancer_member")
FLAVORS = {  # name -> vcpus, MiB of memory, GiB of disk
    "m1.tiny": (1, 512, 1),
    "m1.small": (2, 2048, 20),
    "m1.medium": (2, 4096, 40),
    "m1.large": (4, 8192, 80),
    "m1.diskless": (2, 2048, 0),
}
IMAGE = "ubuntu-2404-kube-v1.36"
EXTERNAL_NETWORK = "public"
KEYPAIR = "pycapo-lab"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q pycapo-lab"
SERVICES = {  # service -> type and path of its endpoint
    "placement": ("placement", ""),
    "glance": ("image", ""),
    "nova": ("compute", "/v2.1"),
    "neutron": ("network", ""),
    "cinder": ("block-storage", "/v3"),
    "octavia": ("load-balancer", ""),
}


def loopback_prefix(lab: Lab) -> str:
    """Return the first two octets of the lab's external network, with the dot that follows."""
    return f"127.{100 + lab.network_index}."


def write_clouds(lab: Lab) -> None:
    """Write clouds.yaml as a user gets it, with one tenant, and a file of all clouds for whoever looks after the lab."""
    for path, names in ((clouds_file(lab), (TENANT,)), (all_clouds_file(lab), (TENANT, OTHER_TENANT, ADMIN))):
        clouds = {name: cloud(lab, name) for name in names}
        write(path, yaml.safe_dump({"clouds": clouds}, sort_keys=False))


def clouds_file(lab: Lab) -> Path:
    """Return the clouds.yaml of the ordinary tenant `pycapo`."""
    return lab.root / "clouds.yaml"


def all_clouds_file(lab: Lab) -> Path:
    """Return the clouds.yaml that also has the tenant `other` and `admin`, who may do everything."""
    return lab.root / "all-clouds.yaml"


def cloud(lab: Lab, name: str) -> dict[str, Any]:
    """Return the clouds.yaml entry of a user, whose project has its name."""
    names = {"username": name, "project_name": name, "user_domain_name": "Default", "project_domain_name": "Default"}
    auth = {"auth_url": f"{lab.url('keystone')}/v3", "password": PASSWORD, **names}
    return {"region_name": REGION, "identity_api_version": "3", "interface": "public", "auth": auth}


def connect(lab: Lab, name: str = ADMIN) -> Connection:
    """Return a connection as one of the lab's users."""
    entry = cloud(lab, name)
    return openstack.connect(
        load_yaml_config=False, load_envvars=False, app_name=AGENT, app_version="1", api_timeout=120, **entry
    )


def make_identities(site: Site) -> None:
    """Make projects, users and the catalog; only Keystone has to run."""
    identity: Any = connect(site.lab).identity  # the SDK's type is a union with a version long gone
    roles = {role.name: role for role in identity.roles()}
    for name in ("service", "load-balancer_member", "load-balancer_admin"):
        roles[name] = roles.get(name) or identity.create_role(name=name)
    service_project = identity.create_project(name="service", domain_id="default")
    for name, (kind, path) in SERVICES.items():
        _make_user(identity, name, service_project, [roles["admin"], roles["service"]])
        service = identity.create_service(name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            url = f"{site.lab.url(name)}{path}"
            identity.create_endpoint(service_id=service.id, interface=interface, region_id=REGION, url=url)
    for name in (TENANT, OTHER_TENANT):
        project = identity.create_project(name=name, domain_id="default")
        _make_user(identity, name, project, [roles[role] for role in TENANT_ROLES])


def make_offers(site: Site) -> None:
    """Make flavors, zones, the image, the external network and the tenant's key pair; everything has to run."""
    admin, tenant = connect(site.lab), connect(site.lab, TENANT)
    for name, (cores, memory, disk) in FLAVORS.items():
        admin.compute.create_flavor(name=name, vcpus=cores, ram=memory, disk=disk)
    for zone, hosts in ZONES.items():
        aggregate = admin.compute.create_aggregate(name=zone, availability_zone=zone)
        for host in hosts:
            admin.compute.add_host_to_aggregate(aggregate, host)
    _make_image(admin)
    _make_external_network(admin, loopback_prefix(site.lab))
    tenant.compute.create_keypair(name=KEYPAIR, public_key=PUBLIC_KEY)


def computes_up(lab: Lab) -> list[str]:
    """Return the compute hosts that Nova knows and can use."""
    services = connect(lab).compute.services(binary="nova-compute")
    return sorted(service.host for service in services if service.state == "up")


def _make_user(identity: Any, name: str, project: Any, roles: list[Any]) -> None:
    user = identity.create_user(name=name, password=PASSWORD, domain_id="default", default_project_id=project.id)
    for role in roles:
        identity.assign_project_role_to_user(project, user, role)


def _make_image(admin: Connection) -> None:
    """Make an image that is named like one for Cluster API and holds next to nothing: no hypervisor reads it."""
    properties: dict[str, Any] = {"os_distro": "ubuntu", "os_version": "24.04", "hw_qemu_guest_agent": "yes"}
    admin.image.create_image(
        name=IMAGE,
        disk_format="raw",
        container_format="bare",
        visibility="public",
        tags=["kube-v1.36"],
        data=b"lab\n" * 256,
        validate_checksum=False,
        **properties,
    )


def _make_external_network(admin: Connection, prefix: str) -> None:
    """Make the network of floating IPs: loopback addresses, so that whatever plays the server can listen on them."""
    network = admin.network.create_network(
        name=EXTERNAL_NETWORK,
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network="external",
    )
    admin.network.create_subnet(
        name=EXTERNAL_NETWORK,
        network_id=network.id,
        ip_version=4,
        cidr=f"{prefix}0.0/16",
        gateway_ip=f"{prefix}0.1",
        allocation_pools=[{"start": f"{prefix}1.1", "end": f"{prefix}250.254"}],
        enable_dhcp=False,  # Neutron refuses loopback addresses on networks with DHCP only
    )
