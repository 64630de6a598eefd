"""Validation: what does Google Analytics say of a sample of every declared event?

    POST <endpoint>/debug/mp/collect?…          {…, "validation_behavior": "ENFORCE_RECOMMENDATIONS", "events": [<one>]}
    {"validationMessages": [{"fieldPath": "events", "description": "…", "validationCode": "NAME_INVALID"}]}

https://developers.google.com/analytics/devguides/collection/protocol/ga4/validating-events . No list means valid. That
server looks neither at the measurement id nor at the secret, and nothing that it is sent gets into a report. Nobody
asks it but `cli-analytics check --live`.
"""

from __future__ import annotations

import io
import json
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import requests

from cli_analytics import event, properties
from cli_analytics.delivery import CONNECT_SECONDS, READ_SECONDS, posted
from cli_analytics.destination import SinkConfig
from cli_analytics.manifest import Manifest
from cli_analytics.properties import Kind, Value
from cli_analytics.sinks import ga4
from cli_analytics.sinks.request import Request

CLIENT_ID = "ffffffff-ffff-4fff-bfff-ffffffffffff"  # the longest for Google, and nobody's
VERSION = "12345678.12345678.12345678.12345678.1234"
MAX_DROPPED = 10**9 - 1
ANSWER_SECONDS = 5 + CONNECT_SECONDS + READ_SECONDS  # for an answer as a whole, name resolution included
MAX_ANSWER_BYTES = 1_000_000
MAX_SAID = 500  # characters of a description

# Of every kind of property the value that takes most room.
SAMPLES: Mapping[type, Callable[[Any], Value]] = {
    properties.OneOf: lambda kind: max(kind.values, key=len),
    properties.Boolean: lambda _: False,
    properties.Integer: lambda kind: max(kind.minimum, kind.maximum, key=lambda number: len(str(number))),
    properties.Bucket: lambda kind: max(kind.labels(), key=len),
    properties.Version: lambda _: VERSION,
    properties.CommandPath: lambda _: " ".join(["c" * 40, "c" * 40, "c" * 18]),
    properties.OptionNames: lambda _: [f"--{'o' * 38}{number:02}" for number in range(properties.MAX_OPTIONS)],
    properties.ExceptionName: lambda kind: max((*kind.declared, PendingDeprecationWarning.__name__), key=len),
}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class _NoVerdict(Exception):
    """Why there is none."""


class _Answer(NamedTuple):
    """An answer as it came; of status 0 where none came, and then `content` is the name of the error."""

    status: int
    content: bytes


def ask(declared: Manifest, say: Callable[[str], object]) -> list[str]:
    """One sentence for each thing that Google Analytics has against a sample, and for an answer that did not come.

    Says what it does while it does it, in parts of lines.
    """
    found = [(f"sinks[{number}]", sink) for number, sink in enumerate(declared.sinks) if sink.type == "ga4"]
    if not found:
        return ['sinks: none is of type "ga4", and only Google Analytics validates; add one, or leave --live out']
    return [f"{key}: {problem}" for key, sink in found for problem in _ask(sink, declared, say)]


def sample(kind: Kind) -> Value:
    """A value that `kind` allows, the one that takes most room."""
    return SAMPLES[type(kind)](kind)


def request(name: str, declared: Manifest, sink: SinkConfig, now: float) -> Request:
    """The question whether a sample of the event `name` is valid."""
    context = event.context(declared.tool.name, VERSION, {}, session_id=int(now), is_ephemeral=True)
    built = event.build(
        name,
        {key: sample(kind) for key, kind in declared.events[name].properties.items()},
        client_id=CLIENT_ID,
        context={**context, "dropped_events": MAX_DROPPED},
        now=now,
    )
    [sent] = ga4.encode([built], sink, event.timestamp(now))
    body = {**json.loads(sent.body), "validation_behavior": "ENFORCE_RECOMMENDATIONS"}
    url = f"{sink.endpoint}/debug{sent.url[len(sink.endpoint) :]}"
    return sent._replace(url=url, body=event.encode(body).encode("ascii"))


def _ask(sink: SinkConfig, declared: Manifest, say: Callable[[str], object]) -> Iterator[str]:
    say(f"{sink.endpoint}/debug{ga4.PATH} on {sink.settings['measurement_id']}\n")
    names = list(declared.events)
    for number, name in enumerate(names):
        say(f"  {name}: ")
        question = request(name, declared, sink, time.time())
        try:
            messages = [_shown(message, sink) for message in _verdict(_post_within(ANSWER_SECONDS, question))]
        except _NoVerdict as error:
            say("no verdict\n")
            left = f"; not asked any more: {', '.join(names[number + 1 :])}" if names[number + 1 :] else ""
            yield f"{question.address} gave no verdict on events.{name}: {error}{left}"
            return
        say("not valid\n" if messages else "ok\n")
        yield from (f"events.{name}: {message}" for message in messages)


def _verdict(answer: _Answer) -> list[str]:
    """What is wrong, nothing if it is valid. Raises _NoVerdict."""
    if not answer.status:
        raise _NoVerdict(f"{answer.content.decode()}. See whether this machine can reach it, and ask again")
    if answer.status != requests.codes.ok:
        raise _NoVerdict(f"it answered {answer.status} instead of 200. See whether it is the right endpoint")
    try:
        return [_message(message) for message in _list(json.loads(answer.content))]
    except (ValueError, RecursionError, TypeError, LookupError, AttributeError):
        raise _NoVerdict("it answered something else. See whether it is the right endpoint") from None


def _list(document: Any) -> list[Any]:
    messages = document["validationMessages"]
    if not isinstance(messages, list):
        raise TypeError
    return messages


def _message(message: Mapping[str, object]) -> str:
    return f"{message.get('description', 'not valid')} ({message.get('validationCode', 'without a code')})"


def _shown(message: str, sink: SinkConfig) -> str:
    """A server's words, fit for a terminal and a log, and without the secret that it was asked with."""
    secret = sink.settings["api_secret"]
    for form in (secret, quote(secret, safe="")):
        message = message.replace(form, "<api_secret>")
    return _CONTROLS.sub(" ", message)[:MAX_SAID]


def _post_within(seconds: float, question: Request) -> _Answer:
    """The answer to a POST. The time limits of requests bound each step, not the whole, and no name resolution."""
    answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_post(question)), daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return _Answer(0, f"no answer within {seconds:.0f} seconds".encode())


def _post(question: Request) -> _Answer:
    try:
        with posted(question, io.BytesIO(question.body)) as response:
            return _Answer(response.status_code, _read(response))
    except (requests.RequestException, OSError, ValueError) as error:
        return _Answer(0, type(error).__name__.encode())  # its text would have the secret in it


def _read(response: requests.Response) -> bytes:
    content = b""
    for chunk in response.iter_content(65_536):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            break
    return content
