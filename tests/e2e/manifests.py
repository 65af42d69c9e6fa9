# SPDX-License-Identifier: Apache-2.0
"""Small objects for tests: credentials, a cluster without a control plane, and machines with a given bootstrap Secret.

Rule: they are the least that brings infrastructure up; whole clusters come out of the templates.
"""

import base64
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from pycapo.lab.cloud_bootstrap import EXTERNAL_NETWORK, IMAGE, KEYPAIR, TENANT, cloud, connect
from pycapo.lab.places import Lab

Json = dict[str, Any]
TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
VERSION = "v1.36.3"
OURS, CORE = "infrastructure.cluster.x-k8s.io", "cluster.x-k8s.io"
FLAVOR = "m1.small"
CREDENTIALS, BOOTSTRAP = "credentials", "bootstrap"


def clouds_yaml(lab: Lab, *, user: str = TENANT, **auth: str) -> str:
    """Return a clouds.yaml with one cloud, `openstack`; keywords replace what is in its `auth`."""
    entry = cloud(lab, user)
    return str(yaml.safe_dump({"clouds": {"openstack": {**entry, "auth": {**entry["auth"], **auth}}}}))


def clouds_secret(lab: Lab, namespace: str, name: str = CREDENTIALS, *, user: str = TENANT, **auth: str) -> Json:
    return secret(namespace, name, "clouds.yaml", clouds_yaml(lab, user=user, **auth))


def secret(namespace: str, name: str, key: str, value: str) -> Json:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {key: value}}


def cluster(namespace: str, name: str, **spec: Any) -> list[Json]:
    """Return a Cluster without a control plane and its OpenStackCluster, which needs no load balancer."""
    reference = {"apiGroup": OURS, "kind": "OpenStackCluster", "name": name}
    network = {"pods": {"cidrBlocks": ["192.168.0.0/16"]}}
    wanted = {
        "identityRef": {"name": CREDENTIALS, "cloudName": "openstack"},
        "managedSubnets": [{"cidr": "10.6.0.0/24", "dnsNameservers": ["10.6.0.2"]}],
        **spec,
    }
    meta = {"name": name, "namespace": namespace}
    return [
        {
            "apiVersion": f"{CORE}/v1beta2",
            "kind": "Cluster",
            "metadata": meta,
            "spec": {"clusterNetwork": network, "infrastructureRef": reference},
        },
        {"apiVersion": f"{OURS}/v1beta2", "kind": "OpenStackCluster", "metadata": meta, "spec": wanted},
    ]


def machine(namespace: str, name: str, *, cluster: str, **spec: Any) -> list[Json]:
    """Return a Machine that waits for nobody, its OpenStackMachine and the bootstrap Secret they share."""
    meta = {"name": name, "namespace": namespace, "labels": {f"{CORE}/cluster-name": cluster}}
    wanted = {"flavor": {"filter": {"name": FLAVOR}}, "image": {"filter": {"name": IMAGE}}, **spec}
    asked = {
        "clusterName": cluster,
        "version": VERSION,
        "bootstrap": {"dataSecretName": BOOTSTRAP},
        "infrastructureRef": {"apiGroup": OURS, "kind": "OpenStackMachine", "name": name},
    }
    return [
        secret(namespace, BOOTSTRAP, "value", "#cloud-config\n"),
        {"apiVersion": f"{CORE}/v1beta2", "kind": "Machine", "metadata": meta, "spec": asked},
        {"apiVersion": f"{OURS}/v1beta2", "kind": "OpenStackMachine", "metadata": meta, "spec": wanted},
    ]


def rendered(lab: Lab, namespace: str, name: str, *, control_planes: int, workers: int, flavor: str = "") -> str:
    """Return what `clusterctl generate cluster` makes of the template, or of that of a flavor."""
    external = connect(lab).network.find_network(EXTERNAL_NETWORK, ignore_missing=False).id
    answers = {
        "OPENSTACK_CLOUD": "openstack",
        "OPENSTACK_CLOUD_YAML_B64": base64.b64encode(clouds_yaml(lab).encode()).decode(),
        "OPENSTACK_IMAGE_NAME": IMAGE,
        "OPENSTACK_CONTROL_PLANE_MACHINE_FLAVOR": "m1.medium",
        "OPENSTACK_NODE_MACHINE_FLAVOR": FLAVOR,
        "OPENSTACK_DNS_NAMESERVERS": "10.6.0.2",
        "OPENSTACK_EXTERNAL_NETWORK_ID": external,
        "OPENSTACK_SSH_KEY_NAME": KEYPAIR,
        "OPENSTACK_FAILURE_DOMAIN": "az1",
    }
    counts = (f"--control-plane-machine-count={control_planes}", f"--worker-machine-count={workers}")
    template = TEMPLATES / f"cluster-template{flavor and f'-{flavor}'}.yaml"
    where = (f"--from={template}", f"--target-namespace={namespace}")
    command = [str(lab.root / "bin" / "clusterctl"), "generate", "cluster", name, *where, *counts]
    alone = {"CLUSTERCTL_DISABLE_VERSIONCHECK": "true", "XDG_CONFIG_HOME": str(lab.folder("clusterctl"))}
    done = subprocess.run(
        [*command, f"--kubernetes-version={VERSION}", f"--kubeconfig={lab.kubeconfig}"],
        env={**os.environ, **answers, **alone},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
