# SPDX-License-Identifier: Apache-2.0
"""Neutron's tags of a lab that plays an older cloud: they can be set on what exists, not while it is made."""

from neutron.services.tag import tag_plugin
from neutron_lib.api.definitions import tag_creation


class LaterTagPlugin(tag_plugin.TagPlugin):
    """The tag service without tags in the creating request."""

    supported_extension_aliases = [
        alias for alias in tag_plugin.TagPlugin.supported_extension_aliases if alias != tag_creation.ALIAS
    ]
