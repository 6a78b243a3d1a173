#!/bin/sh
# The first process of a machine: runs as pid 1 in network, mount, pid, uts and ipc namespaces of its own. Gives the
# machine what a freshly booted one has, then keeps its programs running. SIGKILL to this process is the power cut.
#
#   sh machine-init.sh NAME DIR
#
# DIR is the machine's disk: it survives power cuts. The machine runs the scripts in DIR/programs; a later one is started
# by writing its name to the pipe DIR/run/start.
set -eu

name=$1 dir=$2
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

echo "$name" >/proc/sys/kernel/hostname
rm -rf "$dir/run"
mkdir -p "$dir/log" "$dir/run"

# Memory file systems are the machine's own and empty after a power cut: sockets, pid files, shims, named network
# namespaces. The machine's disk stays visible if it is under /run.
if mountpoint -q /run/netns; then umount -R -l /run/netns; fi
mkdir -p /mnt
mount -t tmpfs -o size=1m tmpfs /mnt
mkdir /mnt/disk /mnt/cgroup
mount --bind "$dir" /mnt/disk
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$dir" /run/lock
mount --bind /mnt/disk "$dir"

# /sys shows the network namespace that it was mounted in. The cgroups stay those of the host.
mount --rbind /sys/fs/cgroup /mnt/cgroup
mount -t sysfs sysfs /sys
mount --rbind /mnt/cgroup /sys/fs/cgroup
# With version 1 in use, a version 2 tree beside it makes crun refuse ("hybrid mode not supported").
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
umount -R -l /mnt

# An engine keeps its identity in /etc/docker.
mkdir -p /etc/docker "$dir/etc-docker"
mount --bind "$dir/etc-docker" /etc/docker

# Without a name server look-ups fail at once instead of waiting.
mkdir -p /run/machine
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >/run/machine/resolv.conf
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >/run/machine/hosts
# Often a link into /run, which is empty.
resolv=$(readlink -m /etc/resolv.conf)
case $resolv in
  /run/*) mkdir -p "${resolv%/*}" && touch "$resolv" ;;
esac
if [ -e "$resolv" ]; then mount --bind /run/machine/resolv.conf "$resolv"; fi
mount --bind /run/machine/hosts /etc/hosts

# A router for its pods. Pods' packets arrive on another interface than the routing table has for the answer.
for setting in ip_forward=1 conf/all/rp_filter=0 conf/default/rp_filter=0 conf/eth0/rp_filter=0; do
  echo "${setting#*=}" >"/proc/sys/net/ipv4/${setting%=*}"
done

start() { sh "$here/supervise.sh" "$1" "$dir" sh "$dir/programs/$1" & }

for program in "$dir"/programs/*; do
  if [ -f "$program" ]; then start "${program##*/}"; fi
done
# The pipe shows that the machine is up.
mkfifo "$dir/run/start"
while :; do
  if read -r program <"$dir/run/start"; then start "$program"; fi
done &

# Waiting also reaps the orphans of the first process.
while :; do wait; sleep 1; done
