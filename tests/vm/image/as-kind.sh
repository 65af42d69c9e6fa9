#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first program of the guest (init=): makes the image one of a kind, as the word kind= of the kernel's command line says.
# A kind is a network manager and the renderer of cloud-init that writes for it; the other managers are masked, as if not there.
kind=$(sed -n 's/.*kind=\([a-z-]*\).*/\1/p' /proc/cmdline)
mask() { for unit; do ln -sf /dev/null "/etc/systemd/system/$unit"; done; }
# As the first boot of an image that has Ignition instead of cloud-init, and DHCP on every NIC; the config drive is the second disk.
ignite() {
  touch /etc/cloud/cloud-init.disabled
  printf '[Match]\nType=ether\n\n[Network]\nDHCP=yes\n' >/etc/systemd/network/zz-default.network
  echo uninitialized >/etc/machine-id # which lets systemd enable what Ignition says
  ssh-keygen -q -A
  echo 'AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys.d/ignition' >/etc/ssh/sshd_config.d/ignition.conf
  mkdir -p /etc/selinux && echo SELINUXTYPE=none >/etc/selinux/config # when all is written Debian's Ignition relabels it
  printf '#!/bin/sh\nexec cat >/dev/null\n' >/sbin/setfiles && chmod 755 /sbin/setfiles
  modprobe isofs
  mount -o ro /dev/vdb /mnt
  for stage in fetch files; do
    IGNITION_CONFIG_FILE=/mnt/openstack/latest/user_data /usr/lib/dracut/modules.d/30ignition/ignition --platform file \
      --log-to-stdout --config-cache /etc/ignition.json --root / --stage $stage || echo "ignition: $stage failed"
  done
  umount /mnt
  rm -r /etc/selinux /sbin/setfiles # else systemd takes the guest for one that has SELinux
}
networkd="systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service"
manager="NetworkManager.service NetworkManager-wait-online.service NetworkManager-dispatcher.service"
# shellcheck disable=SC2086
case $kind in
  netplan | networkd) mask networking.service $manager ;;
  eni) mask $networkd $manager ;;
  network-manager) mask networking.service $networkd ;;
  ignition)
    mask networking.service $manager
    [ -e /etc/ignition.json ] || ignite
    ;;
esac
echo "system_info: {network: {renderers: [$kind]}}" >/etc/cloud/cloud.cfg.d/90-renderer.cfg
exec /sbin/init
