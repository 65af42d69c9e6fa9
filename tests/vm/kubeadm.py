# SPDX-License-Identifier: Apache-2.0
"""Bootstrap data of a worker in the shape that the kubeadm bootstrap provider gives them."""

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
