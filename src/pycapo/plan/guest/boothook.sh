#cloud-boothook
#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Gives each NIC of this machine its own routes; written by pycapo and run at each boot, before everything else of the user data.
# To switch it off: systemctl disable --now pycapo-nic-routes; /opt/pycapo/nic-routes clear; and networkConfig.policyRouting: false
umask 022
mkdir -p /opt/pycapo /etc/pycapo
cat >/opt/pycapo/nic-routes <<'END OF nic-routes'
@nic-routes@
END OF nic-routes
cat >/etc/pycapo/nic-routes.facts <<'END OF facts'
@facts@
END OF facts
chmod 755 /opt/pycapo/nic-routes
/bin/sh /opt/pycapo/nic-routes sync
command -v systemctl >/dev/null || exit 0
cat >/etc/systemd/system/pycapo-nic-routes.service <<'END OF service'
@service@
END OF service
if systemctl is-enabled -q systemd-networkd 2>/dev/null; then
  mkdir -p /etc/systemd/network
  cat >/etc/systemd/network/zzz-pycapo-hotplug.network <<'END OF network'
@network@
END OF network
  mkdir -p /etc/systemd/networkd.conf.d
  cat >/etc/systemd/networkd.conf.d/pycapo.conf <<'END OF networkd'
@networkd@
END OF networkd
fi
if systemctl is-enabled -q NetworkManager 2>/dev/null; then
  mkdir -p /etc/NetworkManager/conf.d
  cat >/etc/NetworkManager/conf.d/pycapo.conf <<'END OF network-manager'
@network-manager@
END OF network-manager
fi
systemctl daemon-reload
systemctl enable -q pycapo-nic-routes.service
systemctl start --no-block pycapo-nic-routes.service # nobody waits for it: this runs before most of the system does
