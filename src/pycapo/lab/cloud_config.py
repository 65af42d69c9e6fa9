# SPDX-License-Identifier: Apache-2.0
"""The configuration of the lab's OpenStack services: one function for each, from a site to sections and settings.

Rule: everything that depends on a lab (ports, folders, options) is rendered anew at every start, nothing by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pycapo.lab.places import Lab, write

PASSWORD = "lab"  # of everything: nothing of a lab listens beyond loopback
REGION = "RegionOne"
ZONES = {"az1": ("compute-1", "compute-2"), "az2": ("compute-3",)}  # availability zone -> compute hosts
VOLUME_ZONES = ("nova", *ZONES)
ADDRESS = "127.0.0.1"
DATABASES = ("keystone", "placement", "glance", "nova_api", "nova", "nova_cell0", "neutron", "cinder", "octavia")

Setting = str | int | bool | Sequence[str]
Ini = dict[str, dict[str, Setting]]


@dataclass(frozen=True, slots=True)
class CloudOptions:
    """What a lab's OpenStack can be asked to lack, so that pycapo is tried without it."""

    trunk: bool = True
    octavia: bool = True
    small_quotas: bool = False
    tag_creation: bool = True
    computes: int = 3


@dataclass(frozen=True, slots=True)
class Site:
    """A lab, the environment that its OpenStack is installed in, and its options."""

    lab: Lab
    environment: Path
    options: CloudOptions

    def etc(self, *parts: str) -> str:
        """Return a data file that the services brought with them."""
        return str(self.environment.joinpath("etc", *parts))

    def state(self, *parts: str) -> str:
        """Return a folder for what a service keeps in files; it exists."""
        return str(self.lab.folder("state", *parts))

    def sql(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        port = self.lab.ports["sql"]
        return f"mysql+pymysql://lab:{PASSWORD}@{ADDRESS}:{port}/{database}?charset=utf8mb4"


def write_configuration(site: Site) -> None:
    """Write the configuration of every service below the lab's `conf` folder."""
    for path, service in FILES.items():
        write(site.lab.conf(*path.split("/")), render(service(site)))
    for number in range(1, site.options.computes + 1):
        site.state("nova", f"compute-{number}")


def render(sections: Mapping[str, Mapping[str, Setting]]) -> str:
    """Return the text of an oslo.config file; a list becomes one line for each value."""
    lines = []
    for section, settings in sections.items():
        lines.append(f"[{section}]")
        for name, value in settings.items():
            values = [str(value)] if isinstance(value, str | int) else list(value)
            lines += [f"{name} = {text}".rstrip() for text in values]
    return "\n".join(lines) + "\n"


def keystone(site: Site) -> Ini:
    """Identity."""
    return {
        "database": _database(site, "keystone"),
        "identity": {"password_hash_rounds": 4},  # no secrets here, and services log in while they start
        "token": {"provider": "fernet", "expiration": 86400},
        "fernet_tokens": {"key_repository": site.state("fernet")},
        "credential": {"key_repository": site.state("credential")},
        "cache": {"enabled": True, "backend": "oslo_cache.dict"},
    }


def placement(site: Site) -> Ini:
    """Placement of servers on hosts."""
    return {
        "placement_database": _database(site, "placement"),
        "api": {"auth_strategy": "keystone"},
        "keystone_authtoken": _tokens(site, "placement"),
    }


def glance(site: Site) -> Ini:
    """Images, kept in files."""
    return {
        "DEFAULT": {
            "enabled_backends": "file:file",
            "worker_self_reference_url": site.lab.url("glance"),
            "node_staging_uri": f"file://{site.state('glance', 'staging')}",
        },
        "database": _database(site, "glance"),
        "glance_store": {"default_backend": "file"},
        "file": {"filesystem_store_datadir": site.state("glance", "images")},
        "os_glance_staging_store": {"filesystem_store_datadir": site.state("glance", "staging")},
        "os_glance_tasks_store": {"filesystem_store_datadir": site.state("glance", "tasks")},
        "paste_deploy": {"flavor": "keystone", "config_file": site.etc("glance", "glance-api-paste.ini")},
        "keystone_authtoken": _tokens(site, "glance"),
    }


def nova(site: Site) -> Ini:
    """Servers: API, conductor, scheduler and computes of one process."""
    return {
        "DEFAULT": {
            "state_path": site.state("nova"),
            "transport_url": "fake://",
            "my_ip": ADDRESS,
            "host": "lab",
            "compute_driver": "labsim.LabDriver",
            "use_cow_images": False,
            "report_interval": 10,
            "service_down_time": 300,  # a contended machine is no dead host
            "cpu_allocation_ratio": "16.0",
            "default_schedule_zone": "",
            "block_device_allocate_retries_interval": 1,
            "sync_power_state_interval": -1,
            "heal_instance_info_cache_interval": -1,
        },
        "api": {"auth_strategy": "keystone"},
        "api_database": _database(site, "nova_api"),
        "database": _database(site, "nova"),
        "wsgi": {"api_paste_config": site.etc("nova", "api-paste.ini")},
        "glance": {"api_servers": site.lab.url("glance")},
        "placement": {**_login(site, "placement"), "region_name": REGION},
        "service_user": {**_login(site, "nova"), "send_service_user_token": True},
        "neutron": {**_login(site, "neutron"), "region_name": REGION, "endpoint_override": site.lab.url("neutron")},
        "cinder": {**_login(site, "cinder"), "catalog_info": "block-storage::publicURL", "os_region_name": REGION},
        "conductor": {"workers": 1},
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 10},
        "filter_scheduler": {"enabled_filters": ",".join(NOVA_FILTERS)},
        "oslo_concurrency": {"lock_path": site.state("nova")},
        "pci": {"alias": f"{{ {_VF}, {_VF_TYPE} }}", "device_spec": f'{{ {_VF}, "physical_network":"physnet4" }}'},
        "quota": {"instances": 3, "cores": 6, "server_groups": 2} if site.options.small_quotas else {"instances": 100},
        "keystone_authtoken": _tokens(site, "nova"),
    }


def neutron(site: Site) -> Ini:
    """Networks, without agents."""
    return {
        "DEFAULT": {
            "state_path": site.state("neutron"),
            "core_plugin": "ml2",
            "service_plugins": ",".join(neutron_plugins(site.options)),
            "auth_strategy": "keystone",
            "dns_domain": "lab.test.",  # with the default Neutron drops the names of ports
            "transport_url": "fake://",
            "notify_nova_on_port_status_changes": True,
            "notify_nova_on_port_data_changes": True,
            "api_workers": 1,
            "rpc_workers": 0,
            "rpc_state_report_workers": 0,
            "allow_automatic_dhcp_failover": False,
            "api_paste_config": site.etc("neutron", "api-paste.ini"),
            "network_scheduler_driver": "neutron.scheduler.dhcp_agent_scheduler.ChanceScheduler",
        },
        "database": _database(site, "neutron"),
        "nova": {**_login(site, "nova"), "region_name": REGION},
        "placement": {**_login(site, "placement"), "region_name": REGION},
        "oslo_concurrency": {"lock_path": site.state("neutron")},
        "quotas": _neutron_quotas(small=site.options.small_quotas),
        "keystone_authtoken": _tokens(site, "neutron"),
        "ml2": {
            "mechanism_drivers": "labsim",
            "type_drivers": "flat,vlan,vxlan,local",
            "tenant_network_types": "vxlan",
            "extension_drivers": ",".join(neutron_extension_drivers(site.options)),
        },
        "ml2_type_flat": {"flat_networks": "*"},
        "ml2_type_vlan": {"network_vlan_ranges": "physnet1:100:199,physnet2:200:299,physnet4:400:499"},
        "ml2_type_vxlan": {"vni_ranges": "1000:9999"},
        "securitygroup": {"enable_security_group": True},
    }


def neutron_plugins(options: CloudOptions) -> list[str]:
    """Return Neutron's service plugins, as the options want them."""
    plugins = ["labsim.routing.LabRouterPlugin", *(["trunk"] if options.trunk else []), "qos", "segments"]
    return [*plugins, "network_ip_availability", "tag", "revisions", "timestamp", "auto_allocate", "flavors"]


def neutron_extension_drivers(options: CloudOptions) -> list[str]:
    """Return ML2's extension drivers, as the options want them."""
    drivers = ["port_security", "qos", "dns", "data_plane_status", "uplink_status_propagation", "port_device_profile"]
    tags = ["tag_ports_during_bulk_creation"] if options.tag_creation else []
    return [*drivers, "port_hints", "port_numa_affinity_policy", *tags]


def cinder(site: Site) -> Ini:
    """Volumes without storage: API, scheduler and a back end for each zone in one process."""
    quotas = {"quota_volumes": 2, "quota_gigabytes": 50} if site.options.small_quotas else {"quota_volumes": 100}
    return {
        "DEFAULT": {
            "state_path": site.state("cinder"),
            "transport_url": "fake://",
            "auth_strategy": "keystone",
            "enabled_backends": ",".join(f"volumes-{zone}" for zone in VOLUME_ZONES),
            "storage_availability_zone": VOLUME_ZONES[0],
            "default_volume_type": "__DEFAULT__",
            "scheduler_driver_init_wait_time": 5,
            "api_paste_config": site.etc("cinder", "api-paste.ini"),
            "resource_query_filters_file": site.etc("cinder", "resource_filters.json"),
            "glance_api_servers": site.lab.url("glance"),
            "host": "lab",
            "my_ip": ADDRESS,
            "report_interval": 10,
            "service_down_time": 300,
            "quota_gigabytes": 100_000,
            **quotas,
        },
        **{f"volumes-{zone}": _backend(zone) for zone in VOLUME_ZONES},
        "database": _database(site, "cinder"),
        "nova": _login(site, "nova"),
        "service_user": {**_login(site, "cinder"), "send_service_user_token": True},
        "coordination": {"backend_url": f"file://{site.state('cinder')}"},
        "oslo_concurrency": {"lock_path": site.state("cinder")},
        "keystone_authtoken": _tokens(site, "cinder"),
    }


def octavia(site: Site) -> Ini:
    """Load balancers without amphorae: API and worker of one process."""
    return {
        "DEFAULT": {"transport_url": "fake://", "host": "lab"},
        "api_settings": {
            "bind_host": ADDRESS,
            "enabled_provider_drivers": "amphora:noop amphora,noop_driver:API only",
            "default_provider_driver": "amphora",
        },
        "database": _database(site, "octavia"),
        "service_auth": _login(site, "octavia"),
        "neutron": {**_login(site, "octavia"), "region_name": REGION},
        "networking": {"allow_vip_network_id": True},
        "oslo_messaging": {"topic": "octavia_prov", "rpc_thread_pool_size": 4},
        "controller_worker": {
            "workers": 1,
            "amphora_driver": "amphora_noop_driver",
            "compute_driver": "compute_noop_driver",
            "network_driver": "labsim",
            "image_driver": "image_noop_driver",
            "amp_boot_network_list": "11111111-1111-1111-1111-111111111111",
            "amp_flavor_id": 1,
            "client_ca": "/dev/null",
        },
        "certificates": {
            "cert_generator": "local_cert_generator",
            "cert_manager": "noop_cert_manager",
            "server_certs_key_passphrase": "insecure-key-do-not-use-this-key",
        },
        # The worker hears of a load balancer before the API has committed it, and looks again at once.
        "haproxy_amphora": {"api_db_commit_retry_initial_delay": 0},
        "health_manager": {"heartbeat_key": PASSWORD},
        "task_flow": {"engine": "serial", "persistence_connection": site.sql("octavia")},
        "quotas": {"default_load_balancer": 1 if site.options.small_quotas else 50},
        "driver_agent": {
            f"{kind}_socket_path": str(Path(site.state("octavia")) / kind) for kind in ("status", "stats", "get")
        },
        "keystone_authtoken": _tokens(site, "octavia"),
    }


FILES: dict[str, Callable[[Site], Ini]] = {
    "keystone/keystone.conf": keystone,
    "placement/placement.conf": placement,
    "glance/glance-api.conf": glance,
    "nova/nova.conf": nova,
    "neutron/neutron.conf": neutron,
    "cinder/cinder.conf": cinder,
    "octavia/octavia.conf": octavia,
}
NOVA_FILTERS = (
    *("ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter", "PciPassthroughFilter"),
    *("ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter", "NUMATopologyFilter"),
)
_VF = '"vendor_id":"8086", "product_id":"1515"'
_VF_TYPE = '"device_type":"type-VF", "name":"vf"'


def _database(site: Site, name: str) -> dict[str, Setting]:
    return {"connection": site.sql(name), "max_pool_size": 8, "max_overflow": 30}


def _login(site: Site, user: str) -> dict[str, Setting]:
    return {
        "auth_url": f"{site.lab.url('keystone')}/v3",
        "auth_type": "password",
        "project_domain_name": "Default",
        "user_domain_name": "Default",
        "project_name": "service",
        "username": user,
        "password": PASSWORD,
    }


def _tokens(site: Site, user: str) -> dict[str, Setting]:
    """Return how a service checks the tokens of its clients."""
    return {
        "www_authenticate_uri": f"{site.lab.url('keystone')}/v3",
        **_login(site, user),
        "service_token_roles_required": True,
        "service_token_roles": "service",
    }


def _backend(zone: str) -> dict[str, Setting]:
    driver = "labsim.volume.LabVolumeDriver"
    return {"volume_driver": driver, "volume_backend_name": zone, "backend_availability_zone": zone}


_SCARCE = ("quota_network", "quota_subnet", "quota_router", "quota_floatingip", "quota_security_group")


def _neutron_quotas(*, small: bool) -> dict[str, Setting]:
    if small:
        few: dict[str, Setting] = dict.fromkeys(_SCARCE, 2)
        return few | {"quota_port": 8, "quota_security_group_rule": 20}
    return {
        "quota_network": 100,
        "quota_subnet": 100,
        "quota_port": 2000,
        "quota_router": 50,
        "quota_floatingip": 200,
        "quota_security_group": 200,
        "quota_security_group_rule": 5000,
    }
