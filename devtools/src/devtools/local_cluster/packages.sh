#!/bin/bash
# Installs what a node and its images need from the distribution: the container runtime, the network plugins, the builder.
# Debian and Ubuntu; on others, install what is named below by the system's own package manager.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends \
  buildah ca-certificates containernetworking-plugins debian-archive-keyring ipset iproute2 iptables mmdebstrap nftables \
  procps runc util-linux
