"""What the shell library costs, beside the one line that scripts use instead: `curl … &`.

    python -m bench.shell [--rounds 60] [--shells dash bash busybox]

A run is a whole script, from its start to its end, against one server on loopback that answers at once. Right before
each run the same script runs without any telemetry; differences are taken to that run, and the table has their medians.
CPU time counts everything the script has left behind, to its end: this process is the parent of all that is orphaned.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench import network
from bench.network import HEALTHY
from cli_analytics import containers, disclosure, manifest, shell_library

COMMANDS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"]}
MANIFEST = Path(__file__).parent / "hosts" / "analytics.toml"
PR_SET_CHILD_SUBREAPER = 36
BODY = '{"batch":[{"type":"track","event":"command_run","messageId":"x","anonymousId":"y","properties":{}}]}'
CURL = "curl -s -m 10 -H 'Content-Type: application/json' -d '{body}' {url}/v1/batch >/dev/null 2>&1 &"
WORK = "command true\n"
TEN, TEN_PEERS = "ten more events", "ten more `curl … &`"
RECORD = "analytics_run :\n"
DEPLOYED = "container=lxc\nSEND_ANONYMOUS_USAGE_INFO=true\nexport HOME=/nonexistent\n"


class Cost(NamedTuple):
    """Of one run, in milliseconds: until the script ended, and of the processors until all that it left had ended."""

    wall: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--shells", nargs="+", default=list(COMMANDS))
    chosen = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    server = network.open_network(HEALTHY)
    print("| shell | script | wall ms | to `curl &` | CPU ms | to `curl &` |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for shell in chosen.shells:
            if shutil.which(shell):
                _measure(shell, Path(folder) / shell, server.url, chosen.rounds)
    server.close()


def _measure(shell: str, folder: Path, url: str, rounds: int) -> None:
    folder.mkdir()
    library = folder / "library.sh"
    memory = f"_analytics_memory='{folder}'"  # all is gone with the folder
    text = shell_library.bake(MANIFEST.read_bytes()).replace(f"_analytics_memory='{containers.MEMORY}'", memory)
    library.write_text(text, encoding="ascii")
    begin = f". {library}\nanalytics_begin 1.2.3\n"
    curl = CURL.format(body=BODY, url=url)
    scripts = {
        "`curl … &`": f"{WORK}{curl}\n",
        "opted out": f"SEND_ANONYMOUS_USAGE_INFO=false\n{begin}analytics_run {WORK}analytics_end\n",
        "begin, run, end": f"{begin}analytics_run {WORK}analytics_end\n",
        "begin, run; not sent": f"{begin}analytics_run {WORK}",
        "all that, deployed": f"{DEPLOYED}{begin}analytics_run {WORK}analytics_end\n",
        TEN: f"{begin}analytics_run {WORK}{RECORD * 10}analytics_end\n",
        TEN_PEERS: f"{WORK}{curl}\n" + f"{curl}\n" * 10,
    }
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "CLI_ANALYTICS_ENDPOINT": url, "LANG": "C.UTF-8"}
    _inform(folder)
    found: dict[str, list[Cost]] = {name: [] for name in scripts}
    for number in range(rounds):
        names = list(scripts)[number % len(scripts) :] + list(scripts)[: number % len(scripts)]
        for name in names:
            bare, run = (_run(COMMANDS[shell], script, environ) for script in (WORK, scripts[name]))
            found[name].append(Cost(run.wall - bare.wall, run.cpu - bare.cpu))
    middle = {name: Cost(*map(statistics.median, zip(*costs))) for name, costs in found.items()}
    one, ten, peer, peers = (middle[name] for name in ("begin, run, end", TEN, "`curl … &`", TEN_PEERS))
    further = Cost((ten.wall - one.wall) / 10, (ten.cpu - one.cpu) / 10)
    further_peer = Cost((peers.wall - peer.wall) / 10, (peers.cpu - peer.cpu) / 10)
    rows = {name: (cost, peer) for name, cost in middle.items() if name not in (TEN, TEN_PEERS)}
    rows["each further `curl … &`"] = (further_peer, further_peer)
    rows["each further event"] = (further, further_peer)
    for name, (cost, to) in rows.items():
        wall = f"{cost.wall / to.wall:.1f}" if to.wall > 1 else "-"  # not to what is lost in the noise
        print(f"| {shell} | {name} | {cost.wall:.1f} | {wall} | {cost.cpu:.1f} | {cost.cpu / to.cpu:.1f} |")


def _inform(home: Path) -> None:
    declared = manifest.parse(MANIFEST.read_bytes())
    stamp = home / ".local" / "state" / declared.tool.name / "analytics" / "stamp"
    stamp.parent.mkdir(parents=True)
    stamp.write_text(f"told: {disclosure.digest(declared)} 2026-11-22\n", encoding="ascii")


def _run(command: list[str], script: str, environ: dict[str, str]) -> Cost:
    before = _cpu()
    begun = time.perf_counter()
    subprocess.run([*command, "-c", script], env=environ, stdin=-3, stdout=-3, stderr=-3, check=True)
    wall = time.perf_counter() - begun
    while True:  # until nothing of it is left
        try:
            os.wait()
        except ChildProcessError:
            return Cost(1000 * wall, 1000 * (_cpu() - before))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
