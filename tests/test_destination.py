"""Where events may go: what a `[[sinks]]` table may say, and how a maintainer is told what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from cli_analytics import destination, manifest
from cli_analytics.destination import KEYS, SinkConfig
from cli_analytics.errors import ManifestError

HEAD = 'schema = 1\n[tool]\nname = "mytool"\ncontroller = "E"\ncontact = "c"\n'
EXAMPLE = "https://example.org"
# A table of each type with all of its keys, and one with as few as there may be.
WHOLE: dict[str, tuple[dict[str, Any], SinkConfig]] = {
    "segment": (
        {"write_key": "k", "endpoint": f"{EXAMPLE}/a/"},
        SinkConfig("segment", f"{EXAMPLE}/a", {"write_key": "k"}),
    ),
    "ga4": (
        {"measurement_id": "G-1", "api_secret": "s", "endpoint": EXAMPLE},
        SinkConfig("ga4", EXAMPLE, {"api_secret": "s", "measurement_id": "G-1"}),
    ),
    "universal": (
        {"tracking_id": "UA-1", "endpoint": f"{EXAMPLE}/com.google.analytics/v1"},
        SinkConfig("universal", f"{EXAMPLE}/com.google.analytics/v1", {"tracking_id": "UA-1"}),
    ),
    "influxdb": (
        {"org": "o", "bucket": "b", "token": "t", "endpoint": "http://127.0.0.1:8086/"},
        SinkConfig("influxdb", "http://127.0.0.1:8086", {"bucket": "b", "org": "o", "token": "t"}),
    ),
    "file": ({"path": "/srv/archive"}, SinkConfig("file", "", {"path": "/srv/archive"})),
    "console": ({}, SinkConfig("console", "", {})),
}
DEFAULTS = [
    ("segment", "", "https://api.segment.io"),
    ("segment", "eu", "https://events.eu1.segmentapis.com"),
    ("ga4", "", "https://www.google-analytics.com"),
    ("ga4", "eu", "https://region1.google-analytics.com"),
]


def table(kind: str, **changes: Any) -> dict[str, Any]:
    """The whole table of a type; None takes a key out."""
    changed = {"type": kind, **WHOLE[kind][0], **changes}
    return {key: value for key, value in changed.items() if value is not None}


def told(found: dict[str, Any]) -> str:
    """What a person reads who has this table as the second sink of a manifest."""
    written = "\n".join(f"{key} = {toml(value)}" for key, value in found.items())
    content = f'{HEAD}[[sinks]]\ntype = "console"\n[[sinks]]\n{written}\n'
    with pytest.raises(ManifestError) as caught:
        manifest.parse(content.encode(), file="src/analytics.toml")
    return str(caught.value)


def toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


@pytest.mark.parametrize("kind", KEYS)
def test_a_table_says_all_there_is_to_say(kind: str) -> None:
    assert destination.parse(table(kind)) == WHOLE[kind][1]


@pytest.mark.parametrize(("kind", "region", "endpoint"), DEFAULTS)
def test_an_endpoint_that_is_not_given_is_that_of_the_region(kind: str, region: str, endpoint: str) -> None:
    found = destination.parse(table(kind, endpoint=None, region=region or None))
    assert found == WHOLE[kind][1]._replace(endpoint=endpoint)


def test_an_endpoint_that_is_given_is_that_of_every_region() -> None:
    assert destination.parse(table("segment", region="eu")) == WHOLE["segment"][1]


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("segment", {"type": None}, "type: is missing. Allowed: a text"),
        ("segment", {"type": 7}, "type: is 7. Allowed: a text"),
        ("segment", {"type": "S3"}, "type: 'S3' is no sink. Allowed: segment, ga4, universal, influxdb, file, console"),
        ("segment", {"type": "x" * 41}, f"type: '{'x' * 41}' is no sink. Allowed: segment, "),
        ("segment", {"write_key": " "}, "write_key: is ' '. Allowed: a text that is not empty"),
        ("segment", {"write_key": True}, "write_key: is True. Allowed: a text"),
        ("segment", {"region": "us"}, "region: is 'us'. Allowed: eu"),
        ("segment", {"region": 1}, "region: is 1. Allowed: a text"),
        ("ga4", {"region": "EU"}, "region: is 'EU'. Allowed: eu"),
        ("universal", {"region": "eu"}, "region: is no key here. Allowed: endpoint, tracking_id, type"),
        ("segment", {"key": "k"}, "key: is no key here. Allowed: endpoint, region, type, write_key"),
        ("file", {"endpoint": EXAMPLE}, "endpoint: is no key here. Allowed: path, type"),
        ("console", {"path": "/x"}, "path: is no key here. Allowed: type"),
        ("file", {"path": "archive"}, "path: 'archive' depends on where the tool is started. Allowed: /a/folder or ~/"),
        ("file", {"path": "~ada/archive"}, "path: '~ada/archive' depends on where the tool is started"),
        ("influxdb", {"endpoint": "http://influx:8086"}, "endpoint: 'http://influx:8086' would send in the clear"),
        ("segment", {"endpoint": "http://127.0.0.1.example.org"}, "endpoint: 'http://127.0.0.1.example.org' would"),
        ("universal", {"endpoint": "https://a b"}, "endpoint: 'https://a b' is no address of a server. Allowed: https"),
        ("segment", {"endpoint": 7}, "endpoint: is 7. Allowed: a text"),
    ],
)
def test_a_mistake_is_told_with_file_key_problem_and_what_is_allowed(
    kind: str, changes: dict[str, Any], said: str
) -> None:
    assert told(table(kind, **changes)).startswith(f"src/analytics.toml: sinks[1].{said}")


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind in KEYS for key in KEYS[kind].required])
def test_a_key_that_is_missing_is_told(kind: str, key: str) -> None:
    assert told(table(kind, **{key: None})).startswith(f"src/analytics.toml: sinks[1].{key}: is missing. Allowed: a ")


@pytest.mark.parametrize("kind", ["universal", "influxdb"])
def test_where_there_is_no_endpoint_of_its_own_one_must_be_given(kind: str) -> None:
    assert told(table(kind, endpoint=None)).startswith("src/analytics.toml: sinks[1].endpoint: is missing. Allowed: a ")


@pytest.mark.parametrize("path", ["/srv/archive", "~/archive"])
def test_a_path_is_absolute_or_from_the_home_of_the_user(path: str) -> None:
    assert destination.parse(table("file", path=path)).settings == {"path": path}


def test_any_other_type_is_a_sink_of_the_maintainers_own_with_keys_of_its_own() -> None:
    own = {"type": "s3-drop", "endpoint": f"{EXAMPLE}/", "bucket": "b", "note": ""}
    assert destination.parse(own) == SinkConfig("s3-drop", EXAMPLE, {"bucket": "b", "note": ""})
    assert destination.parse({"type": "own"}) == SinkConfig("own", "", {})


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"n": 1}, "n: is 1. Allowed: a text"), ({"endpoint": "ftp://x"}, "endpoint: 'ftp://x' would send in the clear.")],
)
def test_of_such_a_sink_keys_are_texts_and_its_endpoint_is_as_safe(changes: dict[str, Any], said: str) -> None:
    assert told({"type": "own", **changes}).startswith(f"src/analytics.toml: sinks[1].{said}")


def test_what_waits_for_a_sink_is_kept_apart_from_what_waits_for_any_other() -> None:
    sinks = [config for _, config in WHOLE.values()]
    segment = WHOLE["segment"][1]
    sinks += [segment._replace(endpoint=EXAMPLE), segment._replace(settings={"write_key": "other"})]
    sinks += [segment._replace(settings={"write_key": "k", "n": "1"}), segment._replace(type="own")]
    assert len({sink.key for sink in sinks}) == len(sinks)
    assert all(sink.key.startswith(f"{sink.type}-") and sink.key.replace("-", "").isalnum() for sink in sinks)
    assert segment.key == destination.parse(table("segment")).key, "of the same it is the same, in every process"
    assert segment.key == "segment-a6d37c3c46b5"
    ordered = SinkConfig("own", "", {"a": "1", "b": "2"})
    assert ordered.key == ordered._replace(settings={"b": "2", "a": "1"}).key


@pytest.mark.parametrize(
    ("kind", "recipient"),
    [
        ("segment", "segment at example.org"),
        ("universal", "universal at example.org"),
        ("influxdb", "influxdb at 127.0.0.1:8086"),
        ("file", "file in /srv/archive"),
        ("console", "console"),
    ],
)
def test_a_user_is_told_the_type_and_the_server_or_the_folder(kind: str, recipient: str) -> None:
    assert WHOLE[kind][1].recipient == recipient


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://example.org",
        "https://xn--bcher-kva.example:8443/a/b",
        "https://[::1]:1",
        "http://127.0.0.1",
        "http://127.8.9.1:80/x",
        "http://localhost:8817",
        "http://[::1]:1/",
    ],
)
def test_endpoints_are_https_or_on_loopback(endpoint: str) -> None:
    assert destination.check_endpoint(endpoint) == endpoint.rstrip("/")


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "http://example.org",
        "http://localhost.example.org",
        "http://127.0.0.1@example.org",
        "ftp://localhost",
        "file:///x",
        "HTTP://example.org",
        "http://127.0.0.1:80@example.org/",
        " http://localhost",
        "https:/example.org",
        "http://127.0.0.256",
        "http://127.0.0.1:65536",
    ],
)
def test_anything_else_would_send_in_the_clear(endpoint: str) -> None:
    with pytest.raises(ManifestError, match="in the clear"):
        destination.check_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://",
        "https:///path",
        "https://ada:secret@example.org",
        "https://exa mple.org",
        "https://example.org?x=1",
        "https://example.org/#x",
        "https://example.org\nx",
        "https://example.org/a b",
        "https://example.org:port",
        "https://example.org:65536",
    ],
)
def test_an_address_that_is_none_or_holds_a_password_is_told(endpoint: str) -> None:
    with pytest.raises(ManifestError, match=r"is no address of a server\. Allowed: https://<host>/<path>"):
        destination.check_endpoint(endpoint)
