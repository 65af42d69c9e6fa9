#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The script that is compressed below takes the place of this file when it is run first; Ignition 2 itself would not unpack it.
tail -n +6 "$0" | gzip -dc >"$0.new" && chmod 755 "$0.new" && mv "$0.new" "$0" && exec /bin/sh "$0" "$@"
exit 1
