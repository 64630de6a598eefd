"""The samples that the validation server is asked about."""

from __future__ import annotations

import time

from checking import EXPORTED, TOOL
from ga4_twin import assert_valid

from cli_analytics import gate, manifest, properties, validation
from cli_analytics.destination import SinkConfig
from cli_analytics.properties import Kind

KINDS = [kind for kind in vars(properties).values() if isinstance(kind, type) and hasattr(kind, "clean")]


def test_there_is_a_sample_of_every_kind_of_property() -> None:
    assert set(KINDS) - {Kind} == set(validation.SAMPLES)


def test_a_sample_is_what_the_gate_lets_through() -> None:
    declared = manifest.parse((TOOL + EXPORTED).encode())
    config = SinkConfig("ga4", "http://127.0.0.1:9", {"measurement_id": "G", "api_secret": "s"})
    for name, declaration in declared.events.items():
        question = validation.request(name, declared, config, time.time())
        [sampled] = question.events
        assert gate.check(sampled, declared.events) == (sampled, ())
        assert sampled["properties"].keys() == declaration.properties.keys()
        assert sampled["context"].keys() == gate.CONTEXT.keys()
        assert_valid(question.body, time.time())


def test_a_sample_takes_the_most_room_that_its_kind_allows() -> None:
    kinds: dict[str, Kind] = dict(properties.BUILT_IN["command_run"].properties)
    sizes = {name: len(str(validation.sample(kind))) for name, kind in kinds.items()}
    assert sizes["command"] == properties.MAX_PATH
    assert sizes["exception"] == len("PendingDeprecationWarning")
    assert validation.sample(properties.ExceptionName(("X" * 60,))) == "X" * 60
    options = validation.sample(kinds["options"])
    assert isinstance(options, list)
    assert len(options) == properties.MAX_OPTIONS
    assert {len(option) for option in options} == {42}
    assert validation.sample(properties.Integer(-100, 99)) == -100
