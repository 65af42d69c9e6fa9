# SPDX-License-Identifier: Apache-2.0
"""How v1alpha3 says which network, subnet or security group is meant, and how v1beta2 does.

v1alpha3 has a uuid beside a query with every option of a list; v1beta2 has an id or a filter. A query of which nothing
can be looked for becomes an empty filter, which the rules for admission refuse: left out, it would mean everything.
"""

from typing import Any

from pycapo.api.steps import Body

_LISTS = ("tags", "tagsAny", "notTags", "notTagsAny")
_NAMES = {
    "name": "name",
    "description": "description",
    "projectId": "projectID",
    **{name: name for name in _LISTS},
    "ipVersion": "ipVersion",
    "gateway_ip": "gatewayIP",
    "cidr": "cidr",
    "ipv6AddressMode": "ipv6AddressMode",
    "ipv6RaMode": "ipv6RAMode",
}


def reference(uuid: Any, query: Body) -> Body | None:
    """Return the reference of v1beta2 for a uuid and a query of v1alpha3; None when they say nothing."""
    identity = uuid or query.get("id")
    if identity:
        return {"id": identity}
    wanted = {hub: _to_hub(name, query[name]) for name, hub in _NAMES.items() if query.get(name)}
    if query.get("tenantId") and "projectID" not in wanted:
        wanted["projectID"] = query["tenantId"]
    said = any(value or value is False for value in query.values())
    return {"filter": wanted} if wanted or said else None


def query_of(reference: Body) -> Body:
    """Return the query of v1alpha3, with the id in it, for a reference of v1beta2."""
    if reference.get("id"):
        return {"id": reference["id"]}
    wanted = reference.get("filter") or {}
    return {name: _from_hub(name, wanted[hub]) for name, hub in _NAMES.items() if wanted.get(hub)}


def _to_hub(name: str, value: Any) -> Any:
    if name not in _LISTS or not isinstance(value, str):
        return value
    return list(dict.fromkeys(tag for tag in value.split(",") if tag))


def _from_hub(name: str, value: Any) -> Any:
    return ",".join(map(str, value)) if name in _LISTS and isinstance(value, list) else value
