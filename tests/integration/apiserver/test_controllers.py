# SPDX-License-Identifier: Apache-2.0
"""The lab's controllers do what is wanted of kube-controller-manager: collect, end namespaces, aggregate roles."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from control_plane import ApiServer
from pycapo.lab.kubeapi import KubeAPI

pytestmark = pytest.mark.apiserver
ROLES = "apis/rbac.authorization.k8s.io/v1/clusterroles"


@pytest.fixture
def api(apiserver: ApiServer) -> KubeAPI:
    return KubeAPI(apiserver.lab)


def wait_for(check: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, check()
        time.sleep(0.1)


def settings(name: str, namespace: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace, **metadata}}


def exists(api: KubeAPI, path: str) -> bool:
    return bool(api.request("GET", path, absent={}))


def test_a_namespace_ends_with_all_that_is_in_it(api: KubeAPI) -> None:
    path = "api/v1/namespaces/ending"
    api.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ending"}}, settings("kept", "ending")])

    api.request("DELETE", path)

    wait_for(lambda: not exists(api, path))
    assert not exists(api, f"{path}/configmaps/kept")


def test_what_is_owned_goes_with_its_owner_and_what_is_not_stays(api: KubeAPI) -> None:
    path = "api/v1/namespaces/default/configmaps"
    api.apply([settings("owner", "default"), settings("free", "default")])
    uid = api.request("GET", f"{path}/owner")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    api.apply([settings("owned", "default", ownerReferences=[owner])])

    api.request("DELETE", f"{path}/owner")

    wait_for(lambda: not exists(api, f"{path}/owned"))
    assert exists(api, f"{path}/free")


def test_a_role_gathers_the_rules_of_those_with_its_label(api: KubeAPI) -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    selector = {"clusterRoleSelectors": [{"matchLabels": {"part": "of-whole"}}]}
    rule = {"apiGroups": ["toys.test"], "resources": ["boats"], "verbs": ["get"]}
    api.apply([{**role, "metadata": {"name": "whole"}, "aggregationRule": selector, "rules": []}])

    api.apply([{**role, "metadata": {"name": "part", "labels": {"part": "of-whole"}}, "rules": [rule]}])

    wait_for(lambda: api.request("GET", f"{ROLES}/whole").get("rules") == [rule])
