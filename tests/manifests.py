"""Manifests: any valid one, as a document and as TOML in any layout, for what has to hold of each of them."""

from __future__ import annotations

import json
import random
import string
from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]
Tables = st.SearchStrategy[dict[str, Any]]

MOST = 2**53  # the largest whole number that every reader of JSON knows
_PLAIN = set(string.ascii_letters + string.digits + ' .,:/"\\#<>|')  # needs no escape between single quotes
COMMENTS = ("", "", "", "\n", "\n\n", "# a comment\n", "  # [tool]\n")

# Anything that a person could write on one line, what means something in TOML, Markdown or HTML included.
lines = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
sentences = (lines | st.sampled_from(["a|b", "<b>&lt;", "`x`, y", '"', "\\", "one, two", "# no comment"])).filter(
    str.strip
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True)
addresses = st.from_regex(
    r"https://[a-z0-9][a-z0-9-]{0,8}\.example\.org(:[1-9][0-9]{0,3})?(/[a-z]{1,5})?", fullmatch=True
)
whole = st.integers(-MOST, MOST)

kinds = st.one_of(
    st.builds(lambda values: {"one_of": values}, st.lists(sentences, min_size=1, max_size=5, unique=True)),
    st.builds(lambda edges: {"bucket": sorted(edges)}, st.sets(whole, min_size=1, max_size=5)),
    st.builds(lambda a, b: {"type": "integer", "min": min(a, b), "max": max(a, b)}, whole, whole),
    st.builds(dict, type=st.sampled_from(["boolean", "version"])),  # a new one each time, for tests change them
)
events: Tables = st.fixed_dictionaries(
    {"why": sentences}, optional={"properties": st.dictionaries(names, kinds, min_size=1, max_size=5)}
)
built_in: Tables = st.fixed_dictionaries(
    {},
    optional={
        "why": sentences,
        "exceptions": st.lists(st.sampled_from(["ConfigError", "NoteError", "Odd_1"]), unique=True),
        "omit": st.lists(st.sampled_from(["options", "exception", "duration_ms", "outcome"]), unique=True),
        "properties": st.dictionaries(st.sampled_from(["command", "exit_code"]), kinds),
    },
)
features: Tables = st.builds(lambda kind: {"properties": {"feature": kind}}, kinds)


BUILT_IN = ("command_run", "feature_used")
POLICY = {
    "default": st.sampled_from(["on", "off"]),
    "ci": st.sampled_from(["on", "off"]),
    "opt_out_env": st.lists(st.from_regex(r"[A-Z_][A-Z0-9_]{0,20}", fullmatch=True), max_size=3),
    "retention_days": st.integers(1, 3650),
    "rotate_id_days": st.integers(1, 3650),
    "ends": st.dates(),
}
SINK = {"type": st.just("segment"), "write_key": sentences}


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A valid manifest, as a TOML parser would return it."""
    tool = {"name": draw(st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True))}
    tool |= {key: draw(sentences) for key in ("controller", "contact")}
    tool |= draw(st.fixed_dictionaries({}, optional={"page": addresses, "source": addresses}))
    declared = draw(st.dictionaries(names.filter(lambda name: name not in BUILT_IN), events, max_size=3))
    narrowed = {"command_run": built_in, "feature_used": features}
    declared |= draw(st.fixed_dictionaries({}, optional=narrowed))
    return {
        "schema": 1,
        "tool": tool,
        "policy": draw(st.fixed_dictionaries({}, optional=POLICY)),
        "sinks": draw(st.lists(st.fixed_dictionaries(SINK, optional={"endpoint": addresses}), max_size=3)),
        "events": declared,
    }


def toml(document: Document, layout: int = 0) -> bytes:
    """The document as a file; another layout has the same in another order, with other spaces and comments."""
    dice = random.Random(layout)
    sections = [("[tool]", document["tool"]), ("[policy]", document["policy"])]
    for name, event in document["events"].items():
        plain = {key: value for key, value in event.items() if key != "properties"}
        sections += [(f"[events.{name}]", plain), (f"[ events . {name}.properties ]", event.get("properties", {}))]
    dice.shuffle(sections)
    sections += [("[[sinks]]", sink) for sink in document["sinks"]]
    parts = [f"schema = {document['schema']}\n"]
    for header, table in sections:
        keys = dice.sample(sorted(table), len(table))
        parts.append(
            f"{header}\n" + "".join(f"{key}{' ' * dice.randint(0, 2)}= {_value(table[key])}\n" for key in keys)
        )
    return "".join(dice.choice(COMMENTS) + part for part in parts).encode()


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return f"'{value}'" if set(value) <= _PLAIN else json.dumps(value, ensure_ascii=False)
    return str(value)
