"""CPU: what many runs in a row use, the processes that they leave behind included.

The hosts take turns, a block of runs each, so that a busy machine is busy for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from bench.in_a_row import BLOCK, Apart, InARow, Recording, Sum, Turns
from bench.installation import Installation
from bench.network import BLACK_HOLE, HEALTHY, Network, open_network
from bench.options import Options
from bench.part import Part, subject
from bench.peers import Iterative, Requests
from bench.rounds import Say
from bench.table import markdown, number
from bench.variants import BareAgain, Variant

NOISE = Turns(every=4)  # the bare host once more: its row is the noise
APART = Turns(runs=1, seconds=6)  # a sender lingers four seconds, and needs some time to start
PEER_BLOCKS = 5
PER_RUNS = 1_000
HEADER = (
    *("CPU per 1 000 runs", "runs measured", "hosts, s"),
    *("left behind, s", "processes left behind", "ms of each", "all, × bare"),
)


class Bare(Variant):
    """What all are compared with."""

    name = "bare"


def measure(found: Installation, options: Options, say: Say) -> Part:
    """All hosts in turn, each on the healthy network and with a dead endpoint; no peer waits for a black hole."""
    networks = [name for name in options.networks if name != BLACK_HOLE] or options.networks
    peers = [kind for kind in (Requests, Iterative) if not options.ours and kind.package not in found.missing]
    rounds = max(1, options.cpu_runs // BLOCK)
    with ExitStack() as stack:
        hosts = [_enter(stack, found, Bare, "", Turns()), _enter(stack, found, BareAgain, "", NOISE)]
        hosts += [_enter(stack, found, Recording, name, Turns()) for name in networks]
        hosts += [_enter(stack, found, Apart, name, APART) for name in networks if name == HEALTHY]
        turns = Turns(every=max(1, rounds // PEER_BLOCKS))
        hosts += [_enter(stack, found, peer, name, turns) for peer in peers for name in networks]
        _take_turns(hosts, rounds, say)
        for host in hosts:
            host.finish()
    rows = [_row(host.variant.label, host.sum(hosts[0])) for host in hosts]
    packages = ("click", "requests") if options.ours else ("click", *(peer.package for peer in peers))
    return Part(subject(found, packages), markdown(HEADER, rows), {host.variant.label: _plain(host) for host in hosts})


def _enter(stack: ExitStack, found: Installation, kind: type[Variant], network: str, turns: Turns) -> InARow:
    """A host with a home, a network and an adopter of its own; none of them outlives `stack`."""
    opened = open_network(network) if network else Network("", 9)
    stack.callback(opened.close)
    variant = kind(found.python, opened)
    stack.callback(variant.close)
    host = InARow(variant, turns)
    stack.callback(host.close)
    return host


def _take_turns(hosts: Sequence[InARow], rounds: int, say: Say) -> None:
    """Each in its rounds, in an order that rotates."""
    for turn in range(rounds):
        first = turn % len(hosts)
        for host in (*hosts[first:], *hosts[:first]):
            if host.has_turn(turn):
                host.block(turn)
        say(f"round {turn + 1} of {rounds}")


def _row(name: str, found: Sum) -> tuple[str, ...]:
    scale = PER_RUNS / found.runs / 1000  # from milliseconds to seconds
    each = f"{found.left / found.started:.0f}" if found.started else ""
    left = (f"{found.left * scale:.1f}", f"{found.started * PER_RUNS / found.runs:.0f}", each)
    beside = number(found.ratio) if name != Bare.name else ""
    return name, str(found.runs), f"{found.hosts * scale:.1f}", *left, beside


def _plain(host: InARow) -> dict[str, Any]:
    return {"hosts_cpu_ms": list(host.rounds.values()), "left_behind_cpu_ms": host.left}
