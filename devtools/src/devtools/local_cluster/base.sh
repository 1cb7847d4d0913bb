#!/bin/bash
# The root file system of the base image, as a tar archive: Debian 13 with the Python 3.13 it carries, arranged as the
# image python:3.13-slim is: `python` and `pip` in /usr/local/bin, and pip free to install.
#
#   base.sh ARCHIVE
set -euo pipefail
mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv \
  --aptopt='Apt::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='ln -s /usr/bin/python3 "$1"/usr/local/bin/python' \
  --customize-hook='ln -s /usr/bin/python3 "$1"/usr/local/bin/python3' \
  --customize-hook='ln -s /usr/bin/pip3 "$1"/usr/local/bin/pip' \
  --customize-hook='rm "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED' \
  --customize-hook='rm -rf "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
  trixie "$1"
