"""What a machine needs to run a node."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

TOOLS = {"unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2", "nft": "nftables", "runc": "runc"}
TOOLS |= {"sysctl": "procps"}
TOOLS |= {"iptables": "iptables", "ipset": "ipset"}  # used by network plugins, and by `policies.py` to make rules


def missing() -> str:
    """Returns what this machine lacks to run a node; empty if it lacks nothing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a node needs root on Linux"
    absent = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if not any(Path(folder, "bridge").exists() for folder in ("/usr/lib/cni", "/opt/cni/bin")):
        absent.append("containernetworking-plugins")
    return f"a node needs the packages {', '.join(absent)}" if absent else ""
