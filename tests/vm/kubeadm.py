# SPDX-License-Identifier: Apache-2.0
"""Bootstrap data of a worker in the shape that the kubeadm bootstrap provider gives them: for cloud-init, and for Ignition."""

import json
from typing import Any
from urllib.parse import quote

BOOTSTRAP = """## template: jinja
#cloud-config

write_files:
-   path: /etc/kubernetes/pki/ca.crt
    owner: root:root
    permissions: '0640'
    content: |
      -----BEGIN CERTIFICATE-----
      bm90IGEgY2VydGlmaWNhdGU=
      -----END CERTIFICATE-----

-   path: /run/kubeadm/kubeadm-join-config.yaml
    owner: root:root
    permissions: '0640'
    content: |
      ---
      apiVersion: kubeadm.k8s.io/v1beta4
      discovery:
        bootstrapToken:
          apiServerEndpoint: 203.0.113.99:6443
          token: abcdef.0123456789abcdef
      kind: JoinConfiguration
      nodeRegistration:
        kubeletExtraArgs:
        - name: provider-id
          value: openstack:///{{ instance_id }}
        name: '{{ local_hostname }}'

-   path: /run/cluster-api/placeholder
    owner: root:root
    permissions: '0640'
    content: "This placeholder makes the folder"
runcmd:
  - "echo before"
  - kubeadm join --config /run/kubeadm/kubeadm-join-config.yaml  && echo success > /run/cluster-api/bootstrap-success.complete
  - "echo after >/root/after"
"""

CALL = "/usr/bin/kubeadm join --config /run/kubeadm/kubeadm-join-config.yaml\n"

_UNIT = """[Unit]
Description=kubeadm
ConditionPathExists=/etc/kubeadm.yml
After=network.target
[Service]
Type=oneshot
ExecStart=/etc/kubeadm.sh
[Install]
WantedBy=multi-user.target
"""
_SCRIPT = """#!/bin/sh
set -e
kubeadm join --config /etc/kubeadm.yml
mv /etc/kubeadm.yml /tmp/
"""


def ignition(version: str, *, key: str) -> bytes:
    """The same for Ignition, of a version that has no file systems in its files (3.x); `key` lets people in."""
    files = [
        _file("/etc/sudoers.d/debian", "debian ALL=(ALL) NOPASSWD:ALL\n", 0o600),
        _file("/etc/kubeadm.sh", _SCRIPT, 0o700),
        _file("/etc/kubeadm.yml", "---\nkind: JoinConfiguration\n", 0o600),
    ]
    document = {
        "ignition": {"version": version},
        "passwd": {"users": [{"name": "debian", "shell": "/bin/bash", "sshAuthorizedKeys": [key]}]},
        "systemd": {"units": [{"name": "kubeadm.service", "enabled": True, "contents": _UNIT}]},
        "storage": {"files": files},
    }
    return json.dumps(document).encode()


def _file(path: str, text: str, mode: int) -> dict[str, Any]:
    return {"path": path, "mode": mode, "contents": {"source": f"data:,{quote(text)}"}}
