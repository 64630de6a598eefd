"""Whatever says yes and whatever says no, and whatever the variables hold: any no wins, and the first one is named."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_consent import ID, ORDER, SWITCHES, facts, handed, says, set_environ, write

from cli_analytics import environment
from cli_analytics.consent import Facts
from cli_analytics.manifest import Policy


def set_policy(given: Facts, **changes: str) -> None:
    assert isinstance(given.policy, Policy)
    given.policy = given.policy._replace(**changes)  # type: ignore[arg-type]  # those that are texts


WITHOUT_A_YES: dict[str, Callable[[Facts], object]] = {
    "opt-in": lambda given: set_policy(given, default="off"),
    "notice": lambda given: setattr(given, "informed", False),
}
EVERY_NO: dict[str, Callable[[Facts], object]] = {
    **SWITCHES,
    **WITHOUT_A_YES,
    "end date": lambda given: set_policy(given, ends="2020-01-01"),
    "a hand-over": lambda given: set_environ(given, "CLI_ANALYTICS_HANDOVER", f"1:{ID}:digest:off"),
    "a hand-over that is none": lambda given: set_environ(given, "CLI_ANALYTICS_HANDOVER", "off"),
    "storage": lambda given: write(given.storage.state.rpartition("/mytool")[0], ""),
}
SOURCE_OF = {
    **{name: name.partition(",")[0] for name in EVERY_NO},
    **dict.fromkeys(("DO_NOT_TRACK", "SEND", "the host's variable"), "environment"),
    **dict.fromkeys(("a hand-over", "a hand-over that is none"), "environment"),
    "a test run": "development",
}


@settings(deadline=None, max_examples=150)
@given(noes=st.sets(st.sampled_from(sorted(EVERY_NO)), max_size=6), yes=st.booleans(), chosen=st.booleans())
def test_the_first_no_in_order_decides_whatever_else_there_is(
    tmp_path_factory: pytest.TempPathFactory, noes: set[str], yes: bool, chosen: bool
) -> None:
    given = facts(tmp_path_factory.mktemp("home"), policy=Policy(opt_out_env=("MYTOOL_OFF",)), host_setting=True)
    if yes:
        set_environ(given, "SEND_ANONYMOUS_USAGE_INFO", "true")
    if chosen:
        for path in (given.storage.choice, given.storage.user_choice, *given.storage.machine_choices):
            write(path, "on\n")
    for name in noes:
        EVERY_NO[name](given)
    sources = {SOURCE_OF[name] for name in noes}
    if yes and "SEND" not in noes:
        sources -= WITHOUT_A_YES.keys()
    elif chosen:
        sources.discard("opt-in")
    assert says(given) == (not sources, min(sources, key=ORDER.index, default="default"))


YES, NO = ("1", "true", "yes", "on", "y", "t"), ("0", "false", "no", "off", "n", "f")
spelled = st.builds(
    lambda word, ups, before, after: before + "".join(map(lambda up, c: c.upper() if up else c, ups, word)) + after,
    st.sampled_from(YES + NO),
    st.lists(st.booleans(), min_size=5, max_size=5),
    *[st.text(" \t\r\n", max_size=2)] * 2,
)


@given(spelled | st.text(max_size=9))
def test_whatever_a_variable_says_it_is_one_opinion(text: str) -> None:
    word = text.strip(" \t\n").lower()  # what a shell strips
    environ = {"SEND_ANONYMOUS_USAGE_INFO": text, "DO_NOT_TRACK": text, "CLI_ANALYTICS_HANDOVER": text}
    assert environment.says_yes(environ) is (word in YES)
    assert environment.says_off(environ) is (word != "" and word not in YES)
    assert environment.opts_out(environ, "DO_NOT_TRACK") is (word != "" and word not in NO)
    assert environment.handover(environ) == (("", "", "off") if word else None)


@given(st.uuids(), st.from_regex(r"[0-9a-z]{1,9}", fullmatch=True), st.sampled_from(["on", "off"]), st.data())
def test_a_hand_over_is_read_whole_or_is_an_off(client_id: UUID, digest: str, said: str, data: st.DataObject) -> None:
    text = f"1:{client_id}:{digest}:{said}"
    assert environment.handover(handed(text)) == (str(client_id), digest, said)
    torn = text[: data.draw(st.integers(1, len(text) - 1))]
    assert (environment.handover(handed(torn)) or ("", "", ""))[2] == "off"
