#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# guest-root PLACE PACKAGES: makes a system of its own at PLACE, out of this machine's programs and unpacked packages, and becomes its
# first process. To be run in mount, PID and UTS namespaces of its own: what the system writes is in memory, and goes with it.
set -eu
place=$1 packages=$2
mount --make-rprivate /
mount -t tmpfs none "$place"
cd "$place"
mkdir -p root upper/usr upper/etc work/usr work/etc
mount --bind root root
for folder in usr etc; do
  mkdir root/$folder
  mount -t overlay overlay -o "lowerdir=$packages/$folder:/$folder,upperdir=$place/upper/$folder,workdir=$place/work/$folder" root/$folder
done
cd root
for link in bin sbin lib lib32 lib64; do [ ! -L /$link ] || cp -P /$link $link; done
mkdir -p proc sys dev/shm run tmp var/lib var/log var/tmp var/cache opt root mnt old
ln -s /run var/run
cp -a "$packages/var/." var/
mount -t proc none proc
mount -t sysfs -o ro none sys # read-only: that is how network managers know that no udev tells them of devices
for device in null zero full random urandom; do
  : >dev/$device
  mount --bind /dev/$device dev/$device
done
ln -s /proc/self/fd dev/fd

# Nothing of this machine's own network configuration comes along.
for folder in netplan network/interfaces.d systemd/network NetworkManager/system-connections NetworkManager/conf.d; do
  rm -rf etc/$folder
  mkdir -p etc/$folder
done
echo 'source /etc/network/interfaces.d/*' >etc/network/interfaces
echo 0123456789abcdef0123456789abcdef >etc/machine-id
number=900
for user in messagebus systemd-network; do
  number=$((number + 1))
  grep -q "^$user:" etc/group || echo "$user:x:$number:" >>etc/group
  grep -q "^$user:" etc/passwd || echo "$user:x:$number:$number::/:/usr/sbin/nologin" >>etc/passwd
done

pivot_root . old
cd /
umount -l old
rmdir old
hostname guest
ldconfig
echo ready
while :; do sleep 1000 & wait $!; done # daemons that have ended are buried here
