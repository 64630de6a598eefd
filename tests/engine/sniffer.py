"""Sniffer: every packet of the network that it is started in, until its stdin ends; then they are printed as JSON."""

from __future__ import annotations

import json
import select
import socket
import sys

IPV4, IPV6 = 0x0800, 0x86DD
NAMES = {1: "icmp", 6: "tcp", 17: "udp"}
IN_IPV6 = (6, 17)  # the kernel's own neighbor discovery is none of ours


def main() -> None:
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    print("listening", flush=True)
    seen: dict[str, None] = {}
    is_ending = False
    while True:
        ready, _, _ = select.select([sniffer] if is_ending else [sniffer, sys.stdin], [], [], 0 if is_ending else None)
        if sniffer in ready:
            packet, (_, kind, *_rest) = sniffer.recvfrom(65535)
            line = _line(packet, kind)
            if line:
                seen[line] = None
        elif is_ending:
            break
        if sys.stdin in ready:
            is_ending = True
    print(json.dumps(list(seen)))


def _line(packet: bytes, kind: int) -> str:
    if kind == IPV4:
        size, protocol = (packet[0] & 15) * 4, packet[9]
        source, target = (
            socket.inet_ntop(socket.AF_INET, packet[12:16]),
            socket.inet_ntop(socket.AF_INET, packet[16:20]),
        )
    elif kind == IPV6 and packet[6] in IN_IPV6:
        size, protocol = 40, packet[6]
        source, target = (
            socket.inet_ntop(socket.AF_INET6, packet[8:24]),
            socket.inet_ntop(socket.AF_INET6, packet[24:40]),
        )
    else:
        return ""
    port = int.from_bytes(packet[size + 2 : size + 4], "big")
    return f"{NAMES.get(protocol, protocol)} {source} {target}:{port}"


main()
