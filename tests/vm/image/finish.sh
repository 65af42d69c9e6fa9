#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs in the new root, once: what makes a plain Debian a cloud image, and what keeps its boot short on an emulated machine.
set -eu
export DEBIAN_FRONTEND=noninteractive
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/fast # whoever makes it again does so from nothing
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d /sbin/as-kind
# the initial file system has what this machine needs and no more
mkdir -p /etc/initramfs-tools/conf.d /usr/share/initramfs-tools/modules.d
printf 'MODULES=list\nCOMPRESS=gzip\n' >/etc/initramfs-tools/conf.d/small
printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic >/usr/share/initramfs-tools/modules.d/small
apt-get update -q
# shellcheck disable=SC2046
apt-get install -qy --no-install-recommends $(grep -v '^#' /packages)
cat >/etc/cloud/cloud.cfg.d/80-image.cfg <<'END'
datasource_list: [ConfigDrive, None]
ssh_genkeytypes: [ed25519]
cloud_init_modules: [seed_random, bootcmd, write-files, set_hostname, update_hostname, users-groups, ssh]
cloud_config_modules: [set-passwords, runcmd]
cloud_final_modules: [write-files-deferred, scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, final-message]
END
systemctl enable -q systemd-networkd.service ssh.service
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
  man-db.timer logrotate.timer nftables.service keyboard-setup.service console-setup.service; do
  ln -sf /dev/null /etc/systemd/system/$unit
done
rm -f /finish.sh /packages /usr/sbin/policy-rc.d /etc/apt/apt.conf.d/90-acquire /etc/ssh/ssh_host_* \
  /var/cache/apt/archives/*.deb /var/lib/apt/lists/*_*
echo 'source /etc/network/interfaces.d/*' >/etc/network/interfaces
: >/etc/machine-id
echo guest >/etc/hostname
rm -f /etc/resolv.conf # that of the machine the image is made on
: >/etc/resolv.conf
# stands for kubeadm: notes how it was called and which routing rules it found
cat >/usr/bin/kubeadm <<'END'
#!/bin/sh
echo "$0 $*" >>/var/log/kubeadm.calls
ip rule >/var/log/kubeadm.rules
END
chmod 755 /usr/bin/kubeadm
