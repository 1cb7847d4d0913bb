#!/bin/bash
# Process 1 of the machine: its root is a folder over Debian's, so that nothing of a run stays.
#
#   unshare --mount --pid --ipc --uts [--net] --fork ... start.sh BASE STATE
#
# What STATE/mounts/NAME leads to is mounted at the path that the file STATE/mounts/NAME.path holds.
set -eu
base=$1 state=$2
root=$state/root
mkdir -p "$root" "$state/upper" "$state/work"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$state/upper,workdir=$state/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
for path in "$state"/mounts/*.path; do
  [ -e "$path" ] || continue
  target=$root$(cat "$path")
  source=$(readlink -f "${path%.path}")
  if [ -d "$source" ]; then mkdir -p "$target"; else mkdir -p "$(dirname "$target")" && rm -f "$target" && touch "$target"; fi
  mount --bind "$source" "$target"
done
hostname bare
ip link set lo up
mkdir -p "$root/.host"
cd "$root"
pivot_root . .host
umount -l /.host
exec sleep infinity
