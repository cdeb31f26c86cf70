#!/bin/sh
# Makes the host VM's image in the current directory: disk.img (the root file system), vmlinuz and initrd.img.
# This file is the recipe: the image is cached under its hash. It runs as root in mount and process namespaces of its own.
set -eu
mirror=$1
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

debootstrap --variant=minbase \
	--include=systemd,systemd-sysv,dbus,udev,kmod,iproute2,procps,e2fsprogs \
	bookworm root "$mirror"

# No service is started while packages are installed here.
printf '#!/bin/sh\nexit 101\n' >root/usr/sbin/policy-rc.d
chmod 755 root/usr/sbin/policy-rc.d

install() {
	chroot root apt-get install -y -q --no-install-recommends "$@"
}
install initramfs-tools
printf 'MODULES=list\n' >root/etc/initramfs-tools/conf.d/host
printf '%s\n' virtio_pci virtio_blk virtio_net ext4 >root/etc/initramfs-tools/modules
# docker and what it needs; a user's own service manager; what a growing volume needs.
install linux-image-cloud-amd64 \
	docker.io iptables apparmor \
	libpam-systemd dbus-user-session \
	cloud-guest-utils fdisk xfsprogs \
	numactl curl jq
rm root/usr/sbin/policy-rc.d
chroot root apt-get clean
rm -rf root/var/lib/apt/lists/*

# Every boot is like the last: the disk is a throw-away copy, and first-boot presets would enable what is off here.
echo 6b0e5a1c1f8a4f0e9d6f3a1b2c4d5e6f >root/etc/machine-id
echo host >root/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 host\n' >root/etc/hosts
printf '/dev/vda / ext4 defaults 0 0\n' >root/etc/fstab
cat >root/etc/systemd/network/all.network <<'END'
[Match]
Driver=virtio_net
[Network]
Address=10.0.2.15/24
LinkLocalAddressing=no
IPv6AcceptRA=no
END
# The way in: a program that comes on a disk of its own, as a tar archive.
cat >root/etc/systemd/system/guest.service <<'END'
[Unit]
Description=Way into this machine for the tests outside
After=systemd-networkd.service
StartLimitIntervalSec=0
[Service]
ExecStartPre=/bin/tar -x -f /dev/disk/by-id/virtio-payload -C /opt
ExecStart=/opt/guest
Restart=always
RestartSec=1
Delegate=yes
OOMPolicy=continue
TasksMax=infinity
LimitNOFILE=1048576
[Install]
WantedBy=multi-user.target
END
# Tests start engines of their own; those of the machine are there to be started.
chroot root systemctl -q disable docker.service docker.socket containerd.service networking.service || true
chroot root systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
	e2scrub_reap.service fstrim.timer systemd-networkd-wait-online.service getty@tty1.service serial-getty@ttyS0.service
chroot root systemctl -q enable systemd-networkd.service guest.service

mv root/boot/vmlinuz-* vmlinuz
mv root/boot/initrd.img-* initrd.img
mkfs.ext4 -q -F -L host -d root disk.img 8G
rm -rf root
