# SPDX-License-Identifier: Apache-2.0
"""`pycapo convert` rewrites what is old and ours, and nothing else; comments stay where they belong."""

from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from pycapo.api.conversion import convert as convert_object
from pycapo.cli.convert import convert

APP = typer.Typer()
APP.command()(convert)
EXAMPLES = Path(__file__).parents[3] / "examples" / "v1alpha3"
GROUP = "infrastructure.cluster.x-k8s.io"
HUB = f"{GROUP}/v1beta2"


def run(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(APP, list(arguments), input=given)


def converted(given: str) -> str:
    result = run("-", given=given)
    assert result.exit_code == 0, result.output
    return result.stdout


def machine(*lines: str, version: str = "v1alpha3") -> str:
    head = [f"apiVersion: {GROUP}/{version}", "kind: OpenStackMachine", "metadata:", "  name: a", "spec:"]
    return "\n".join([*head, "  flavor: small", "  image: ubuntu", *(f"  {line}" for line in lines)]) + "\n"


def documents(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_file_says_what_the_webhook_would_store(path: Path) -> None:
    expected = convert_object(yaml.safe_load(path.read_text()), HUB)
    expected["metadata"].pop("annotations", None)

    assert documents(run(str(path)).stdout) == [expected]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_comment_of_a_file_is_there_once(path: Path) -> None:
    text = run(str(path)).stdout

    for line in path.read_text().splitlines():
        _, mark, comment = line.partition("# ")
        assert not mark or text.count(comment) == 1


def test_comments_go_with_their_fields() -> None:
    text = converted((EXAMPLES / "several-networks.yaml").read_text())

    lines = [line.strip() for line in text.splitlines()]
    assert lines[lines.index("# external network 2") + 2] == "id: 5e8a3bca-0e52-426e-9022-fd17c24476ea"
    assert lines[lines.index("ports: # v1alpha3: networks") + 1] == "# Internal network created by CAPO"
    assert "fixedIPs: # required" in lines


def test_comments_of_an_entry_that_becomes_two_ports_stay_with_the_first_and_the_next_with_its_own() -> None:
    subnets = ["  subnets:", "  - uuid: s1", "  - uuid: s2"]

    text = converted(machine("networks:", "# one", "- uuid: n1", *subnets, "# two", "- uuid: n2"))

    lines = [line.strip() for line in text.splitlines()]
    assert lines[lines.index("# one") + 2] == "id: n1"
    assert lines[lines.index("# two") + 2] == "id: n2"


def test_the_names_that_fields_had_are_told() -> None:
    text = converted((EXAMPLES / "cluster.yaml").read_text())

    assert "managedSubnets: # v1alpha3: nodeCidr, dnsNameservers" in text
    assert "identityRef: # v1alpha3: cloudName, cloudsSecret" in text


def test_what_has_no_effect_is_a_comment_and_a_message() -> None:
    result = run("-", given=machine("networks:", "- filter: {name: a, shared: true}"))

    told = "spec.networks[0].filter.shared of v1alpha3 cannot be looked for any more"
    assert f"# {told}" in result.stdout
    assert f"-: document 1 (OpenStackMachine a): {told}" in result.stderr
    assert "kept-for" not in result.stdout


def test_a_field_that_the_version_does_not_have_is_told() -> None:
    result = run("-", given=machine("networks:", "- uuid: n", "  fixedIP: 10.0.0.9", "sshkey: mine"))

    assert "spec.networks[0].fixedIP is no field of v1alpha3" in result.stderr
    assert "spec.sshkey is no field of v1alpha3" in result.stderr


def test_a_kind_that_the_version_never_had_is_refused() -> None:
    result = run("-", given=machine().replace("OpenStackMachine", "OpenStackClusterTemplate"))

    assert result.exit_code == 1
    assert "OpenStackClusterTemplate is not convertible between v1alpha3 and v1beta2" in result.stderr


def test_v1beta1_is_rewritten_too() -> None:
    spec = (
        "  flavor: small # the cheap one\n  image: {filter: {name: ubuntu}}\n  ports:\n  - disablePortSecurity: true\n"
    )
    head = f"apiVersion: {GROUP}/v1beta1\nkind: OpenStackMachine\nmetadata: {{name: a}}\nspec:\n"

    text = converted(head + spec)

    assert documents(text)[0]["spec"]["ports"] == [{"enablePortSecurity": False}]
    assert "name: small # the cheap one" in text


OTHERS = """\
# a Secret
apiVersion: v1
kind:   Secret          # odd spacing
metadata: {name: 'a'}
stringData:
  text: |
    --not a separator
--- # of ours, and new
apiVersion: infrastructure.cluster.x-k8s.io/v1beta2
kind: OpenStackMachine
metadata: {name: "b"}
---
apiVersion: infrastructure.cluster.x-k8s.io/v1alpha1
kind: OpenStackServer
...
---
# nothing

"""


def test_other_documents_stay_as_they_are_to_the_byte() -> None:
    assert converted(OTHERS) == OTHERS
    assert converted(OTHERS + "---\n" + machine()).startswith(OTHERS + "---\n")
    assert converted(machine() + "\n\n---\n" + OTHERS).endswith("\n\n---\n" + OTHERS)


def test_quotes_stay_and_placeholders_are_texts() -> None:
    text = converted(machine("sshKeyName: '${KEY}'", 'tags: ["yes", plain]'))

    assert "sshKeyName: '${KEY}'" in text
    assert documents(text)[0]["spec"]["tags"] == ["yes", "plain"]


def test_a_time_stays_a_text() -> None:
    text = converted(machine().replace("  name: a", "  name: a\n  creationTimestamp: 2021-02-23T14:27:04Z"))

    assert "2021-02-23T14:27:04Z" in text


def test_references_in_documents_of_other_groups_are_told_and_left() -> None:
    reference = f"infrastructureRef: {{apiVersion: {GROUP}/v1alpha3, kind: OpenStackMachineTemplate, name: a}}"
    given = f"apiVersion: cluster.x-k8s.io/v1beta1\nkind: MachineDeployment\nmetadata: {{name: md}}\nspec: {{{reference}}}\n"

    result = run("-", given=given)

    assert result.stdout == given
    assert f"document 1 (MachineDeployment): spec.infrastructureRef.apiVersion names {GROUP}/v1alpha3" in result.stderr


def test_in_place_writes_the_file_and_only_what_is_old(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(machine())
    new.write_text(OTHERS)

    result = run("--in-place", str(old), str(new))

    assert (result.exit_code, result.stdout) == (0, "")
    assert documents(old.read_text())[0]["apiVersion"] == HUB
    assert new.read_text() == OTHERS
    assert run("--in-place", str(old)).stderr == ""


def test_several_files_are_one_stream(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.yaml", "b.yaml")]
    for path in paths:
        path.write_text(machine())

    assert len(documents(run(*map(str, paths)).stdout)) == 2


LIST = "kind: List\napiVersion: v1\nitems:\n- " + machine().strip().replace("\n", "\n  ") + "\n"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (machine(version="v1alpha6"), "document 1 (OpenStackMachine a): apiVersion: v1alpha6 is not known here"),
        (f"a: 1\n---\n{machine('networks: x')}", "document 2 (OpenStackMachine a): spec.networks: expected a list"),
        (machine("securityGroups: [{}]"), "spec.securityGroups[0].filter: Invalid value: {}: says nothing"),
        (machine("rootVolume: {diskSize: 9, sourceType: snapshot}"), 'spec.rootVolume.sourceType: "snapshot" is not'),
        (machine().replace("ubuntu", '""'), "spec.image: Required value"),
        (LIST, "document 1 (List): items[0]: a List is not rewritten"),
        ("a: [", "document 1: while parsing"),
    ],
)
def test_errors_name_file_document_and_field(tmp_path: Path, given: str, told: str) -> None:
    file = tmp_path / "old.yaml"
    file.write_text(given)

    result = run("--in-place", str(file))

    assert result.exit_code == 1
    assert f"convert: {file}: document" in result.stderr
    assert told in result.stderr
    assert file.read_text() == given


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    result = run(str(tmp_path / "none.yaml"))

    assert (result.exit_code, "none.yaml" in result.stderr) == (1, True)


def test_standard_input_cannot_be_written_in_place() -> None:
    assert run("--in-place", "-").exit_code == 2
