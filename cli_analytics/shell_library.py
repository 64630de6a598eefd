"""Shell library: manifest → one self-contained file for tools that are written in shell.

The text is that of shell/*.sh, in which what is baked takes the place of a function without a manifest: closed lists as
`case` arms with the JSON of each value, and as regular expressions the events that may leave, which are the shell
sender's gate. The file is ASCII, for yash reads anything else only in a locale that knows it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cli_analytics import (
    __version__,
    consent,
    containers,
    detection,
    disclosure,
    environment,
    event,
    forms,
    manifest,
    properties,
)
from cli_analytics.destination import SinkConfig
from cli_analytics.errors import ManifestError
from cli_analytics.manifest import Manifest
from cli_analytics.properties import Boolean, Bucket, Integer, Kind, OneOf, Version

PARTS = ("cli-analytics.sh", "notice.sh", "event.sh", "sender.sh")
BEGIN, END = "# --- Baked", "# --- End of what is baked."
THE_END = "} # The end."
MAX_BYTES = 100_000  # where printf is no part of the shell, Linux gives it 128 KiB an argument
SEGMENT = "segment"

_HOW = "\0"  # stands for how to say no, which depends on where the user's files lie
_WHERE = SinkConfig("\1", "", {})


def bake(content: bytes, *, file: str = "analytics.toml") -> str:
    """The library with the manifest `content` in it. Raises ManifestError, also where the shell can send nothing."""
    declared = manifest.parse(content, file=file)
    if not any(sink.type == SEGMENT for sink in declared.sinks):
        raise ManifestError("has no sink that the shell can send to", key="sinks", allowed="type = segment", file=file)
    if len(content) > MAX_BYTES:
        raise ManifestError(f"has {len(content)} bytes", allowed=f"{MAX_BYTES} in a shell library", file=file)
    first, *others = (_part(name) for name in PARTS)
    head, rest = first.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    parts = "".join(text.split("\n\n", 1)[1] for text in others)
    baked = "\n".join(_baked(content, declared))
    made = f"{BEGIN} by `cli-analytics shell` {__version__} from the manifest of {declared.tool.name}. Do not edit.\n"
    return f"{head}{made}{baked}\n{END}{tail.replace(THE_END, f'{parts}{THE_END}')}"


def remarks(declared: Manifest) -> list[str]:
    """What whoever bakes this manifest should know: the sinks that only the Python sender can serve."""
    others = [sink.recipient for sink in declared.sinks if sink.type != SEGMENT]
    lines = [
        f"the shell can't send to {recipient}: what it records waits for the Python client" for recipient in others
    ]
    if len(declared.sinks) > 1 and not others:
        lines.append("the shell sends to one sink only: what it records waits for the Python client")
    return lines


def _part(name: str) -> str:
    """A part of the library: beside this module where it is installed, else in the checkout."""
    installed = Path(__file__).with_name("shell") / name
    path = installed if installed.exists() else Path(__file__).parents[1] / "shell" / name
    return path.read_text(encoding="ascii")


def _baked(content: bytes, declared: Manifest) -> Iterator[str]:
    yield from _function("baked", _assignments(declared))
    yield from _function("is_yes", _case("$1", {_any_case(environment.YES): ":"}, "return 1"))
    yield from _function("is_no", _case("$1", {_any_case(environment.NO): ":"}, "return 1"))
    yield from _function("tests", [f'[ -n "{"".join(f"${{{name}-}}" for name in environment.TEST_RUNNERS)}" ]'])
    words = "|".join(f"*{_letters(word)}*" for word in consent.DEVELOPMENT)
    yield from _function("unreleased", _case("$1", {f"''|{words}": ":"}, "return 1"))
    yield from _function("vendor", _vendors())
    yield from _function("agent", [f'[ -n "{"".join(f"${{{name}-}}" for name in detection.AGENTS)}" ]'])
    yield from _function("find_container", _containers())
    yield from _function("declared", _case("$1", {"|".join(map(_quoted, declared.events)): ":"}, "return 1"))
    yield from _function("property", _case("$1", _kinds(declared), ":"))
    yield from _function("notice", _notice(declared))
    yield from _function("warning", [_printf(_warning(declared).encode())])
    yield from _function("manifest", [_printf(content)])
    yield from _function("forms", _forms(declared))


def _assignments(declared: Manifest) -> Iterator[str]:
    tool, policy = declared.tool, declared.policy
    only = declared.sinks[0] if len(declared.sinks) == 1 else SinkConfig(SEGMENT, "", {"write_key": ""})
    values = {
        "tool": tool.name,
        "library": __version__,
        "digest": disclosure.digest(declared),
        "default": policy.default,
        "policy_ci": policy.ci,
        "opt_out_env": " ".join(policy.opt_out_env),
        "ends": policy.ends,
        "last_day": policy.ends.replace("-", ""),
        "rotate": str(policy.rotate_id_days),
        "manifest_url": only.endpoint,
        "manifest_sink": only.key,
        "manifest_key": _base64(only.settings.get("write_key", "")),
        "own_key": _base64(tool.name),
        "memory": containers.MEMORY,
        "versions": forms.expression(properties.VERSION),
        "commands": forms.COMMANDS,
    }
    for name, value in values.items():
        yield f"_analytics_{name}={_quoted(value)}"


def _warning(declared: Manifest) -> str:
    tool = declared.tool
    about = f" About it: {tool.page}" if tool.page else ""
    return (
        f"{tool.name} sends pseudonymous usage data to {tool.controller}, because {environment.SEND} says yes.{about}\n"
    )


def _vendors() -> Iterator[str]:
    """The first that is set counts."""
    words = [*detection.CI_VENDORS.items(), *((name, "other") for name in detection.ANY_CI)]
    yield "_analytics_ci=''"
    for start in range(0, len(words), 4):
        line = "".join(f"${{{name}:+{vendor} }}" for name, vendor in words[start : start + 4])
        yield f'_analytics_ci="$_analytics_ci{line}"'
    yield '_analytics_ci="${_analytics_ci}none"'
    yield "_analytics_ci=${_analytics_ci%% *}"


def _containers() -> Iterator[str]:
    """The first that is there counts."""
    tests = {"variable": '[ -n "${{{}-}}" ]', "file": "[ -e {} ]", "node": '[ "$_analytics_word" = {} ]'}
    yield "_analytics_container=none _analytics_word=''"
    yield "read -r _analytics_word </proc/sys/kernel/hostname"
    for number, (sort, sign, kind) in enumerate(detection.CONTAINERS):
        yield f"{'elif' if number else 'if'} {tests[sort].format(sign)}; then _analytics_container={kind}"
    yield "fi"


def _kinds(declared: Manifest) -> dict[str, str]:
    """What is done with the value of each property; a kind that no shell has is not among them."""
    return {
        _quoted(f"{name}.{key}"): act
        for name, item in declared.events.items()
        for key, kind in item.properties.items()
        if (act := _act(kind))
    }


def _act(kind: Kind) -> str:
    if isinstance(kind, OneOf):
        return " ".join(_one_of(kind.values))
    if isinstance(kind, Boolean):
        return "case $2 in true|false) _analytics_json=$2;; esac"
    if isinstance(kind, Integer):
        return f'_analytics_integer "$2" {kind.minimum} {kind.maximum}'
    if isinstance(kind, Bucket):
        labels = kind.labels()
        pairs = (f"{edge} {_quoted(label)}" for edge, label in zip(kind.edges, labels[1:]))
        return f'_analytics_bucket "$2" {_quoted(labels[0])} {" ".join(pairs)}'
    if isinstance(kind, Version):
        return '[ ${#2} -le 40 ] && _analytics_matches "$2" "$_analytics_versions" && _analytics_json="\\"$2\\""'
    if isinstance(kind, properties.CommandPath):
        other = _quoted(event.encode(event.OTHER))
        matches = '{ _analytics_matches "$2" || _analytics_matches "$2" "$_analytics_commands"; }'
        return f'_analytics_json={other}; [ ${{#2}} -gt 100 ] || ! {matches} || _analytics_json="\\"$2\\""'
    return ""


def _one_of(values: Iterable[str]) -> Iterator[str]:
    plain = {_quoted(value): f"_analytics_json={_quoted(event.encode(value))}" for value in values if value.isascii()}
    yield from _case("$2", {"''": ":", **plain}, ":")
    for value in values:
        if not value.isascii():
            same = f'[ "$2" != "$({_printf(value.encode())})" ]'
            yield f"; {same} || _analytics_json={_quoted(event.encode(value))}"


def _notice(declared: Manifest) -> Iterator[str]:
    """Where it goes is the first argument, if it is not the manifest's own; how to say no is the second."""
    ours = disclosure.notice(declared, declared.sinks, commands=None, where="/")
    theirs = disclosure.notice(declared, [_WHERE], commands=None, where="/")
    ours, theirs = (text.rsplit("\n  no ", 1)[0] for text in (ours, theirs))
    yield f'if [ -n "$1" ]; then {_printf(theirs.encode(), {_WHERE.type: "$1"})}'
    yield f"else {_printf(ours.encode())}; fi"
    yield f"printf '\\n  no     %s   or: export {environment.SEND}=false\\n' \"$2\""


def _forms(declared: Manifest) -> Iterator[str]:
    yield f"_analytics_rest={_quoted(forms.middle())}"
    for start, end in forms.of_events(declared.events):
        yield f"printf '%s\\n' {_quoted(start)}\"$_analytics_rest\"{_quoted(end)}"


def _function(name: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"_analytics_{name}() {{"
    yield from lines
    yield "}"


def _case(word: str, arms: Mapping[str, str], otherwise: str) -> Iterator[str]:
    yield f"case {word} in"
    yield from (f"{pattern}) {act} ;;" for pattern, act in arms.items())
    yield f"*) {otherwise} ;; esac"


def _any_case(words: Iterable[str]) -> str:
    return "|".join(map(_letters, sorted(words)))


def _letters(word: str) -> str:
    return "".join(f"[{sign.upper()}{sign}]" if sign.isalpha() else sign for sign in word)


def _quoted(text: str) -> str:
    """A word of the shell; a quotation mark ends and begins the quotation around it."""
    return "'" + text.replace("'", "'\\''") + "'"


def _printf(content: bytes, arguments: Mapping[str, str] | None = None) -> str:
    """The command that prints `content`, whatever it holds."""
    found = {key.encode(): value for key, value in (arguments or {}).items()}
    pieces = re.split(b"(" + b"|".join(map(re.escape, found)) + b")", content) if found else [content]
    text = "".join("%s" if piece in found else "".join(map(_sign, piece)) for piece in pieces)
    return " ".join(["printf", f"'{text}'", *(f'"{found[piece]}"' for piece in pieces if piece in found)])


def _sign(byte: int) -> str:
    sign = chr(byte)
    if sign in "\n\t" or (32 <= byte < 127 and sign not in "%\\'"):
        return sign
    return "%%" if sign == "%" else f"\\{byte:03o}"


def _base64(key: str) -> str:
    return base64.b64encode(f"{key}:".encode()).decode()
