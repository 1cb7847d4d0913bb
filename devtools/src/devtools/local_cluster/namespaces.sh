#!/bin/bash
# Process 1 of the node: gives the namespaces it was started in mounts and a network of their own, then waits.
#
#   unshare --net --mount --pid --ipc --uts --fork ... namespaces.sh STATE NAME ADDRESS SERVICES PAUSE
#
# When it ends, the kernel ends every process of the node and drops its mounts, interfaces and packet rules.
set -eu
state=$1 name=$2 address=$3 services=$4 pause=$5

read -r pid _ </proc/self/stat # as the host counts; the next mount hides it
mount -t proc proc /proc

# /sys shows the interfaces of its own network namespace only to a mount made there; the host's cgroups are put back.
mkdir -p "$state/cgroup"
mount --rbind /sys/fs/cgroup "$state/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$state/cgroup" /sys/fs/cgroup
umount --recursive --lazy "$state/cgroup"

# Where kubelet, containerd and the network plugins expect to write.
mount -t tmpfs -o mode=755 node-run /run
mount -t tmpfs -o mode=755 node-lib /var/lib
mount -t tmpfs -o mode=755 node-log /var/log
mkdir -p /run/lock /run/netns /var/lib/kubelet /var/lib/containerd /var/log/containers
mount --bind "$state/kubelet" /var/lib/kubelet
mount --bind "$state/containerd" /var/lib/containerd

# kubelet sets these for the whole machine. Here it finds what it wants, and the machine keeps its own.
mkdir -p "$state/sysctl"
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=/proc/sys/${setting%%=*}
  [ -e "$file" ] || continue
  wanted=$state/sysctl/$(basename "$file")
  echo "${setting#*=}" >"$wanted"
  mount --bind "$wanted" "$file"
done
mount --make-rshared / # last: shared any earlier, unmounting above would reach the mounts just made

hostname "$name"
ip link set lo up
ip link add node0 type bridge
ip address add "$address/24" dev node0
ip link set node0 up
ip route add "$services" dev node0 # so that a client in this namespace has a route that kube-proxy can then redirect
sysctl --quiet --write net.ipv4.ip_forward=1

echo "$pid" >"$state/pid.new"
mv "$state/pid.new" "$state/pid"
exec "$pause"
