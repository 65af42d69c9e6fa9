# SPDX-License-Identifier: Apache-2.0
"""Manifests for pods become manifests for processes on loopback."""

import copy

from pycapo.lab.webhooks import definitions, on_loopback

SERVICE = {"name": "webhook", "namespace": "system", "path": "/validate"}
HOOKS = {
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "hooks", "annotations": {"cert-manager.io/inject-ca-from": "a/b", "kept": "yes"}},
    "webhooks": [{"name": "one", "clientConfig": {"service": SERVICE}}],
}


def definition(conversion: dict) -> dict:
    spec = {"conversion": conversion}
    return {"kind": "CustomResourceDefinition", "metadata": {"name": "things.example.org"}, "spec": spec}


def rewritten(manifest: dict) -> dict:
    return on_loopback([manifest], port=7, authority="QQ==")[0]


def test_a_webhook_is_called_at_a_loopback_url() -> None:
    client = rewritten(HOOKS)["webhooks"][0]["clientConfig"]

    assert client == {"url": "https://127.0.0.1:7/validate", "caBundle": "QQ=="}


def test_only_the_annotation_of_cert_manager_goes() -> None:
    assert rewritten(HOOKS)["metadata"]["annotations"] == {"kept": "yes"}


def test_a_conversion_without_a_path_is_called_where_kubernetes_would() -> None:
    webhook = {"clientConfig": {"service": {"name": "webhook"}}}

    conversion = rewritten(definition({"strategy": "Webhook", "webhook": webhook}))["spec"]["conversion"]

    assert conversion["webhook"]["clientConfig"]["url"] == "https://127.0.0.1:7/convert"


def test_a_definition_without_a_conversion_webhook_stays_as_it_is() -> None:
    plain = definition({"strategy": "None"})

    assert rewritten(plain) == plain


def test_what_needs_pods_or_cert_manager_is_left_out() -> None:
    kinds = ("Deployment", "Service", "Certificate", "Issuer", "ClusterRole", "ServiceAccount")

    left = on_loopback([{"kind": kind, "metadata": {"name": "x"}} for kind in kinds], port=7, authority="")

    assert [manifest["kind"] for manifest in left] == ["ClusterRole", "ServiceAccount"]


def test_what_comes_in_is_not_changed() -> None:
    before = copy.deepcopy(HOOKS)

    rewritten(HOOKS)

    assert before == HOOKS


def test_only_definitions_are_named() -> None:
    assert definitions([HOOKS, definition({})]) == ["things.example.org"]
