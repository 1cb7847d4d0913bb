"""Decides from which network addresses images may be fetched. Pure: nothing here resolves names or connects.

The address of the connection is checked, never the text of a URL: a decimal or octal spelling, a name that resolves to
127.0.0.1, and 127.0.0.1 itself are the same address. Non-public ranges are listed here because the result of
`ipaddress` differs between versions of Python and follows IPv4 addresses embedded in IPv6 addresses.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

METADATA = (
    "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata service, cluster services of others
    "168.63.129.16/32",  # Azure's host agent: a public address that always leads to the machine's own host
    "169.254.0.0/16",  # link-local: the metadata service of most clouds
    "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
    "fd00:ec2::254/128",  # Amazon's metadata service over IPv6
    "fd20:ce::254/128",  # Google's metadata service over IPv6
    "fe80::/10",  # link-local
)
"""Cloud metadata services. The operator's NetworkPolicy blocks the same ranges (a test compares them)."""

# IANA's special-purpose registries: blocks that are not globally reachable, and blocks for tunnels.
_CLOSED = tuple(
    ipaddress.ip_network(block)
    for block in (
        *METADATA,
        "0.0.0.0/8",  # this host: Linux connects 0.0.0.0 to itself
        "10.0.0.0/8",  # private
        "127.0.0.0/8",  # loopback
        "172.16.0.0/12",  # private
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address
        "3fff::/20",  # documentation
    )
)

# The only IPv6 block from which IANA allocates global addresses. Outside it are loopback, unspecified, unique local,
# link-local and site-local addresses, multicast, and those that embed an IPv4 address: IPv4-mapped, IPv4-compatible,
# NAT64.
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")


def is_public(address: Address) -> bool:
    """Returns whether an address is on the public Internet, so that fetching from it reveals nothing internal."""
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_IPV6:
        return False
    return not any(address in block for block in _CLOSED)


@dataclass(frozen=True, slots=True)
class AllowList:
    """Non-public hosts from which images may be fetched.

    A network permits every name whose addresses are all permitted; a host name permits that name, whatever it resolves
    to.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> AllowList:
        """Parses host names (lower case, no final dot), addresses, and CIDRs, as in `Settings.allowed_hosts`."""
        names: list[str] = []
        networks: list[Network] = []
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                names.append(entry)
        return cls(frozenset(names), tuple(networks))

    def permits(self, host: str, addresses: Sequence[Address]) -> bool:
        """Returns whether connections to a host are permitted.

        A single forbidden address is enough to reject the host: legitimate names do not resolve to a mixture.

        Args:
            host: Name or address (lower case, no final dot).
            addresses: All addresses that it resolved to.
        """
        if host in self.names:
            return True
        return bool(addresses) and all(
            is_public(address) or any(address in network for network in self.networks) for address in addresses
        )
