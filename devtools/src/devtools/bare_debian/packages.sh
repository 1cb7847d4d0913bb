#!/bin/bash
# The root file system: Debian 13, and the packages that the documents tell a reader to install.
#
#   packages.sh FOLDER
set -euo pipefail
mmdebstrap --quiet --variant=minbase --format=directory \
  --include=ca-certificates,curl,docker-buildx,docker-cli,docker-compose,docker.io,git,iptables,make,openssl,pipx,python3,python3-venv \
  --aptopt='Apt::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
  trixie "$1"
