# SPDX-License-Identifier: Apache-2.0
"""Credentials: what is read from a Secret, what is shared, what a person is told when it is wrong."""

import datetime
import ssl
from collections.abc import Iterator

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fake_openstack import Answer, FakeOpenStack, fake_openstack
from pycapo.cloud import login
from pycapo.cloud.errors import LoginFailed, NotLeading, Unanswered
from pycapo.cloud.login import Clouds, read_access
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark

MARK = Mark("abcdefabcdef", "network")


@pytest.fixture
def fake() -> Iterator[FakeOpenStack]:
    with fake_openstack() as fake:
        yield fake


def an_entry(**more: object) -> dict[str, object]:
    auth = {"auth_url": "https://keystone.invalid:5000", "username": "u", "password": "hush", "project_name": "p"}
    return {"auth": auth, **more}


WRONG = [
    (b"clouds: [", "identityRef: clouds.yaml cannot be parsed at line 1, column"),
    (b"- a", 'identityRef: clouds.yaml has no "clouds"'),
    (b"clouds: {a: {}, b: {}}", 'identityRef.cloudName: "here" not in clouds.yaml; it has "a", "b"'),
    (b"clouds: {here: 7}", "clouds.here: is not a map"),
    (b"clouds: {here: {auth: {username: u}}}", "clouds.here.auth.auth_url: is missing"),
    (b"clouds: {here: {auth: {auth_url: 'http://x', username: u}}}", "clouds.here.auth.password: is missing"),
    (
        b"clouds: {here: {auth_type: v2password, auth: {auth_url: 'http://x'}}}",
        'clouds.here.auth_type: "v2password" is not',
    ),
    (
        b"clouds: {here: {cert: /tls.crt, auth: {auth_url: 'http://x'}}}",
        "clouds.here.cert: a client certificate is a file",
    ),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_a_wrong_clouds_yaml_is_told_with_the_path_of_the_field(text: bytes, told: str) -> None:
    with pytest.raises(LoginFailed) as raised:
        Clouds().open(clouds_yaml=text, cacert=None, cloud="here")

    assert str(raised.value).startswith(told)


def test_a_wrong_password_is_told_and_not_tried_again_at_once(fake: FakeOpenStack) -> None:
    clouds, text = Clouds(), fake.clouds_yaml(password="wrong")
    for _ in range(5):
        with pytest.raises(LoginFailed) as raised:
            clouds.open(clouds_yaml=text, cacert=None, cloud="here")

    assert raised.value.path == "clouds.here.auth"
    assert "wrong" not in str(raised.value)
    assert len(fake.requests) == 1


def test_refused_credentials_are_tried_again_later(fake: FakeOpenStack) -> None:
    now = [0.0]
    clouds, text = Clouds(clock=lambda: now[0]), fake.clouds_yaml()
    fake.password = "changed"
    with pytest.raises(LoginFailed):
        clouds.open(clouds_yaml=text, cacert=None, cloud="here")

    fake.password, now[0] = "secret", 31.0

    assert clouds.open(clouds_yaml=text, cacert=None, cloud="here").project_id == "project-1"


def test_an_absent_keystone_is_no_failed_login() -> None:
    text = yaml.safe_dump(
        {"clouds": {"here": an_entry() | {"auth": {**an_entry()["auth"], "auth_url": "http://127.0.0.1:9"}}}}
    )  # type: ignore[dict-item]

    with pytest.raises(Unanswered):
        Clouds().open(clouds_yaml=text.encode(), cacert=None, cloud="here")


def test_equal_credentials_share_one_cloud(fake: FakeOpenStack) -> None:
    clouds = Clouds()

    one, other = (clouds.open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here") for _ in range(2))

    assert one is other
    assert len(fake.requests) == 1


def test_a_changed_secret_is_another_cloud(fake: FakeOpenStack) -> None:
    clouds = Clouds()
    old = clouds.open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here")
    fake.password = "changed"

    new = clouds.open(clouds_yaml=fake.clouds_yaml(password="changed"), cacert=None, cloud="here")

    assert new is not old


def test_regions_are_kept_apart(fake: FakeOpenStack) -> None:
    clouds, fake.regions = Clouds(), ["one", "two"]

    opened = [
        clouds.open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here", region=name) for name in fake.regions
    ]

    assert [cloud.region for cloud in opened] == ["one", "two"]


def test_an_unknown_region_is_told_with_those_there_are(fake: FakeOpenStack) -> None:
    with pytest.raises(LoginFailed) as raised:
        Clouds().open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here", region="nowhere")

    assert str(raised.value) == 'identityRef.region: no region "nowhere" in the catalog; it has "RegionOne"'


def test_a_cloud_that_nobody_opens_is_dropped(fake: FakeOpenStack) -> None:
    now = [0.0]
    clouds = Clouds(clock=lambda: now[0])
    old = clouds.open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here")
    now[0] = 4000.0

    assert clouds.open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here") is not old


def test_the_environment_and_the_files_of_the_machine_do_not_count(
    fake: FakeOpenStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_PASSWORD", "wrong")
    monkeypatch.setenv("OS_CLOUD", "elsewhere")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "/dev/null")

    assert Clouds().open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here").project_id == "project-1"


def test_missing_domains_are_keystones_default() -> None:
    auth = read_access(an_entry(), "clouds.x", cacert=None, region=None).auth

    assert (auth.project_domain_id, auth.auth_methods[0].user_domain_id) == ("default", "default")  # type: ignore[attr-defined]
    assert auth.auth_url == "https://keystone.invalid:5000/v3"  # type: ignore[attr-defined]


def test_an_application_credential_needs_no_project() -> None:
    auth = {"auth_url": "http://x/v3", "application_credential_id": "i", "application_credential_secret": "s"}

    read = read_access({"auth_type": "v3applicationcredential", "auth": auth}, "clouds.x", cacert=None, region=None)

    assert type(read.auth).__name__ == "ApplicationCredential"


def test_nothing_secret_is_printed() -> None:
    access = read_access(an_entry(), "clouds.x", cacert=None, region="r")

    assert "hush" not in repr(access)


def test_verification_can_be_switched_off() -> None:
    trust = read_access(an_entry(verify=False), "clouds.x", cacert=None, region=None).trust

    assert trust.verify_mode is ssl.CERT_NONE


def test_the_authority_of_the_secret_is_the_only_one_trusted() -> None:
    trust = read_access(an_entry(), "clouds.x", cacert=a_certificate("lab"), region=None).trust

    subjects = [dict(pair[0] for pair in found["subject"])["commonName"] for found in trust.get_ca_certs()]
    assert subjects == ["lab"]


def test_a_cacert_that_is_none_is_told() -> None:
    with pytest.raises(LoginFailed) as raised:
        read_access(an_entry(), "clouds.x", cacert=b"not a certificate", region=None)

    assert "cacert" in str(raised.value)


def a_certificate(name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(start).not_valid_after(start.replace(year=2099))
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_nothing_is_written_while_it_is_not_allowed(fake: FakeOpenStack) -> None:
    allowed = [False]
    clouds = Clouds(allowed=lambda: allowed[0])
    cloud = clouds.open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here")
    fake.answers["GET /network/v2.0/networks"] = Answer({"networks": []})
    fake.answers["GET /network/v2.0/extensions"] = Answer({"extensions": []})
    fake.answers["POST /network/v2.0/networks"] = Answer({"network": {"id": "n1"}}, 201)

    with pytest.raises(NotLeading, match="not sent"):
        cloud.create(Kind.NETWORK, [{"name": "net"}], marks=[MARK])
    cloud.look({Kind.NETWORK})
    allowed[0] = True
    made = cloud.create(Kind.NETWORK, [{"name": "net"}], marks=[MARK])

    assert [record.id for record in made] == ["n1"]  # and no grace for an earlier request: there was none
    assert fake.told.count("POST /network/v2.0/networks") == 1


def test_what_was_known_of_a_cloud_can_be_forgotten(fake: FakeOpenStack) -> None:
    clouds, text = Clouds(), fake.clouds_yaml()
    first = clouds.open(clouds_yaml=text, cacert=None, cloud="here")

    clouds.forget()

    assert clouds.open(clouds_yaml=text, cacert=None, cloud="here") is not first


def test_the_secrets_own_authorities_come_before_those_of_everybody(
    fake: FakeOpenStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted: list[bytes | None] = []
    monkeypatch.setattr(
        login, "_trust", lambda cacert, verify: (trusted.append(cacert), ssl.create_default_context())[1]
    )
    clouds = Clouds()
    clouds.cacert = b"everybody"

    for cacert in (None, b"own"):
        clouds.open(clouds_yaml=fake.clouds_yaml(), cacert=cacert, cloud="here")

    assert trusted == [b"everybody", b"own"]
