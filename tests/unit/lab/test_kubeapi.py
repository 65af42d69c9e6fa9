# SPDX-License-Identifier: Apache-2.0
"""What the lab asks of its API server, and the kubeconfigs and certificates it makes for it."""

import base64
import json
from pathlib import Path

import pytest
from cryptography import x509

from pycapo.lab.certificates import make_certificates
from pycapo.lab.kubeapi import Exists, KubeAPI, kubeconfig, write_admin_kubeconfig
from pycapo.lab.places import Lab, LabError


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab("test", tmp_path, {"apiserver": 1234}, 1)
    make_certificates(made)
    return made


class Recorded(KubeAPI):
    """An API server that records what it is asked and says that some things exist."""

    def __init__(self, lab: Lab, *existing: str) -> None:
        super().__init__(lab)
        self.asked: list[str] = []
        self._existing = existing

    def request(self, method, path, body=None, *, headers=None, absent=None):
        """Record a request."""
        self.asked.append(f"{method} {path.split('?')[0]}")
        if method == "POST" and body["metadata"]["name"] in self._existing:
            raise Exists(path)
        return {"items": [{"metadata": {"name": name}} for name in self._existing]}


def thing(kind: str, name: str, **metadata: str) -> dict:
    return {"kind": kind, "metadata": {"name": name, **metadata}}


def test_what_others_refer_to_is_made_first(lab: Lab) -> None:
    api = Recorded(lab)

    api.apply([thing("ServiceAccount", "a", namespace="n"), thing("Namespace", "n")])

    assert api.asked == ["POST api/v1/namespaces", "POST api/v1/namespaces/n/serviceaccounts"]


def test_what_exists_is_made_as_given(lab: Lab) -> None:
    api = Recorded(lab, "n")

    api.apply([thing("Namespace", "n")])

    assert api.asked == ["POST api/v1/namespaces", "PATCH api/v1/namespaces/n"]


def test_each_collection_is_asked_for_once(lab: Lab) -> None:
    api = Recorded(lab, "one", "two")

    found = api.have([thing("Namespace", "one"), thing("Namespace", "two")])

    assert (found, api.asked) == (True, ["GET api/v1/namespaces"])


def test_one_object_that_lacks_is_noticed(lab: Lab) -> None:
    assert not Recorded(lab, "one").have([thing("Namespace", "one"), thing("Namespace", "two")])


def test_a_kind_that_the_lab_does_not_know_is_named(lab: Lab) -> None:
    with pytest.raises(LabError, match="kind 'Gadget'"):
        Recorded(lab).apply([thing("Gadget", "x")])


def test_a_kubeconfig_points_at_the_lab_and_trusts_its_authority(lab: Lab) -> None:
    document = json.loads(kubeconfig(lab, "someone", "secret", namespace="there"))

    cluster = document["clusters"][0]["cluster"]
    assert cluster["server"] == "https://127.0.0.1:1234"
    assert base64.b64decode(cluster["certificate-authority-data"]) == (lab.pki / "ca.crt").read_bytes()
    assert document["contexts"][0]["context"]["namespace"] == "there"
    assert document["users"][0]["user"] == {"token": "secret"}


def test_only_the_owner_reads_the_administrators_kubeconfig(lab: Lab) -> None:
    write_admin_kubeconfig(lab)

    assert lab.kubeconfig.stat().st_mode & 0o077 == 0


def test_the_serving_certificate_is_good_for_loopback_and_signed_by_the_authority(lab: Lab) -> None:
    authority, serving = (
        x509.load_pem_x509_certificate((lab.pki / name).read_bytes()) for name in ("ca.crt", "tls.crt")
    )

    names = serving.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "127.0.0.1" in map(str, names.get_values_for_type(x509.IPAddress))
    serving.verify_directly_issued_by(authority)


def test_certificates_are_made_once(lab: Lab) -> None:
    before = {path.name: path.read_bytes() for path in lab.pki.iterdir()}

    make_certificates(lab)

    assert {path.name: path.read_bytes() for path in lab.pki.iterdir()} == before
