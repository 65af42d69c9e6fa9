# SPDX-License-Identifier: Apache-2.0
"""Our CRDs, webhooks and roles installed in a real API server, without a controller."""

import copy
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from control_plane import ApiServer
from pycapo.api.conversion import convert
from pycapo.deploy.components import components
from pycapo.lab.build import build
from pycapo.lab.capi import authority
from pycapo.lab.kubeapi import KubeAPI
from pycapo.lab.places import Lab, LabError
from pycapo.lab.progress import quiet
from pycapo.lab.webhooks import definitions, on_loopback
from pycapo.webhooks.server import WebhookServer

Json = dict[str, Any]
GROUP = "infrastructure.cluster.x-k8s.io"
ACCOUNT = "system:serviceaccount:capo-system:capo-manager"


class Api:
    """The API server as its administrator sees it: objects of our group, and refusals as Status objects."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.kube = KubeAPI(lab)
        self.number = 0

    def make(self, version: str, plural: str, kind: str, spec: Json) -> Json:
        self.number += 1
        metadata = {"name": f"object-{self.number}", "namespace": "default"}
        body = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        return self.ask("POST", self.path(version, plural), body)

    def get(self, version: str, plural: str, found: Json) -> Json:
        return self.ask("GET", self.path(version, plural, found["metadata"]["name"]))

    def replace(self, plural: str, found: Json, **spec: Any) -> Json:
        """Write an object again with other values in its spec."""
        body = copy.deepcopy(found)
        body["spec"] |= spec
        return self.ask("PUT", self.path(found["apiVersion"], plural, found["metadata"]["name"]), body)

    def path(self, version: str, plural: str, name: str = "") -> str:
        return f"apis/{version}/namespaces/default/{plural}/{name}".rstrip("/")

    def ask(self, method: str, path: str, body: Json | None = None, **more: Any) -> Json:
        """Return the answer, also when it is a Status that refuses."""
        try:
            return dict(self.kube.request(method, path, body, **more))
        except LabError as error:
            text = str(error)
            return dict(json.loads(text[text.index("{") :]))

    def may(self, verb: str, group: str, resource: str, *, namespace: str = "default", name: str = "") -> bool:
        """Ask the API server whether the controller's ServiceAccount may do something."""
        plural, _, subresource = resource.partition("/")
        attributes = {"verb": verb, "group": group, "resource": plural, "namespace": namespace, "name": name}
        spec = {"user": ACCOUNT, "resourceAttributes": attributes | {"subresource": subresource}}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        return bool(self.ask("POST", "apis/authorization.k8s.io/v1/subjectaccessreviews", body)["status"]["allowed"])

    def kubectl(self, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        """Run kubectl as a user does; warnings are in its stderr."""
        program = build(quiet()).programs["kubectl"]
        command = [str(program), f"--kubeconfig={self.lab.kubeconfig}", *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def installed(apiserver: ApiServer) -> Iterator[Api]:
    """Install everything but the controller, and serve the webhooks; what is installed goes with the API server.

    Definitions are not taken back: the API server takes minutes for that on a busy machine, and nothing asks for it.
    """
    lab = apiserver.lab
    server = WebhookServer(("127.0.0.1", lab.ports["pycapo_webhook"]), lab.pki, convert=convert)
    server.start()
    try:
        manifests = on_loopback(components(), port=server.port, authority=authority(lab))
        found = Api(lab)
        found.kube.apply([*manifests, *cluster_api()])
        wait(lambda: found.kube.established(definitions([*manifests, *cluster_api()])))
        # The API server takes up webhook configurations a moment after they were written.
        bad = {"flavor": {"id": "1"}, "image": {"filter": {"name": "ubuntu"}}, "ports": [{"macAddress": "fa:16"}]}
        wait(lambda: found.make(f"{GROUP}/v1beta2", "openstackmachines", "OpenStackMachine", bad).get("code"))
        yield found
    finally:
        server.stop()


def cluster_api() -> list[Json]:
    """Return the definitions of Cluster API's kinds; they convert nothing, because its managers do not run here."""
    shipped = [document for path in build(quiet()).manifests.iterdir() for document in json.loads(path.read_text())]
    found = [document for document in shipped if document["kind"] == "CustomResourceDefinition"]
    return [{**it, "spec": {k: v for k, v in it["spec"].items() if k != "conversion"}} for it in found]


def wait(done: Callable[[], Any]) -> None:
    """Wait until something is true; a machine that builds something beside takes its time."""
    end = time.monotonic() + 180
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)


def causes(answer: Json) -> dict[str, str]:
    """Return field -> reason of a refusal."""
    assert answer["kind"] == "Status", answer
    assert (answer["code"], answer["reason"]) == (422, "Invalid"), answer
    return {cause["field"]: cause["reason"] for cause in answer["details"]["causes"]}
