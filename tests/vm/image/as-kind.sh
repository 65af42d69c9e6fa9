#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first program of the guest (init=): makes the image one of a kind, as the word kind= of the kernel's command line says.
# A kind is a network manager and the renderer of cloud-init that writes for it; the other managers are masked, as if not there.
kind=$(sed -n 's/.*kind=\([a-z-]*\).*/\1/p' /proc/cmdline)
mask() { for unit; do ln -sf /dev/null "/etc/systemd/system/$unit"; done; }
networkd="systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service"
manager="NetworkManager.service NetworkManager-wait-online.service NetworkManager-dispatcher.service"
# shellcheck disable=SC2086
case $kind in
  netplan | networkd) mask networking.service $manager ;;
  eni) mask $networkd $manager ;;
  network-manager) mask networking.service $networkd ;;
esac
echo "system_info: {network: {renderers: [$kind]}}" >/etc/cloud/cloud.cfg.d/90-renderer.cfg
exec /sbin/init
