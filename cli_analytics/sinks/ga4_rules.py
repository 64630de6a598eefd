"""The rules of Google Analytics 4 about names and sizes.

https://developers.google.com/analytics/devguides/collection/protocol/ga4/sending-events#limitations and
https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference#reserved_names, together with the
rules for web streams, https://support.google.com/analytics/answer/13316687, which reserve more, and what Google's own
event builder (ga-dev-tools) holds for wrong. All of them are taken: Google answers 2xx to anything, and one event that
it can't read may take the others of its request with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_EVENTS = 25  # of a request
MAX_PARAMETERS = 25  # of an event
MAX_USER_PROPERTIES = 25
MAX_NAME = 40  # characters, of events and parameters
MAX_VALUE = 100  # characters, of a parameter
MAX_USER_PROPERTY_NAME = 24
MAX_USER_PROPERTY_VALUE = 36
MAX_BYTES = 130_000  # of a body, which has to be smaller
MAX_AGE_SECONDS = 72 * 3600

# What we send with every event besides its properties.
OURS = ("session_id", "engagement_time_msec", "app_name", "app_version", "dropped_events")

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")
EVENT_PREFIXES = (*PREFIXES, "query_id")

EVENTS = frozenset(
    """
    ad_activeview ad_click ad_exposure ad_impression ad_query ad_reward adunit_exposure app_background app_clear_data
    app_exception app_install app_remove app_store_refund app_store_subscription_cancel app_store_subscription_convert
    app_store_subscription_renew app_update app_upgrade click dynamic_link_app_open dynamic_link_app_update
    dynamic_link_first_open error file_download firebase_campaign firebase_in_app_message_action
    firebase_in_app_message_dismiss firebase_in_app_message_impression first_open first_visit form_start form_submit
    in_app_purchase notification_dismiss notification_foreground notification_open notification_receive
    notification_send os_update page_view screen_view scroll session_start session_start_with_rollout user_engagement
    video_complete video_progress video_start view_complete view_search_results
    """.split()
)
# Events that Google recommends to shops and games, and that are not valid without parameters of its choice.
RECOMMENDED = frozenset(
    """
    add_payment_info add_shipping_info add_to_cart add_to_wishlist begin_checkout generate_lead post_score purchase
    refund remove_from_cart search select_item spend_virtual_currency unlock_achievement view_cart view_item
    view_item_list view_promotion
    """.split()
)
# Reserved, or with a meaning of their own: `debug_mode` takes an event out of the reports, `timestamp_micros` moves it.
PARAMETERS = frozenset(
    """
    cid currency customer_id customerid dclid debug_mode engagement_time_msec firebase_conversion gclid session_id
    session_number sessionid sfmc_id sid srsltid timestamp_micros uid user_id userid
    """.split()
)
USER_PROPERTIES = frozenset(
    "first_open_after_install first_open_time first_visit_time last_deep_link_referrer user_id".split()
)
NUMBER, TEXT = "a number", "a text"
# Parameters that Google knows in any event, and what has to stand in them. No property is a list of items, and an
# amount is not valid without `currency`, which is reserved.
EXPECTED: Mapping[str, str] = {
    "items": "a list of items",
    "value": "an amount in a currency",
    **dict.fromkeys("level score shipping tax".split(), NUMBER),
    **dict.fromkeys(
        """
        achievement_id affiliation character content_type coupon creative_name creative_slot group_id item_id
        item_list_id item_list_name item_name location_id method payment_type promotion_id promotion_name search_term
        shipping_tier transaction_id virtual_currency_name
        """.split(),
        TEXT,
    ),
}


def event_problem(name: str) -> str:
    """What is wrong with `name` for an event; empty if nothing is."""
    if name in RECOMMENDED:
        return "Google Analytics has an event of this name that needs parameters of its own; choose another"
    return _name_problem(name, EVENTS, EVENT_PREFIXES)


def parameter_problem(name: str, *, is_number: bool) -> str:
    """What is wrong with `name` for a property that is a number, or that is none; empty if nothing is."""
    if name in OURS and name not in PARAMETERS:
        return "cli-analytics sends a parameter of this name itself; choose another"
    expected = EXPECTED.get(name)
    if expected and expected != (NUMBER if is_number else TEXT):
        return f"Google Analytics expects {expected} under this name; choose another"
    return _name_problem(name, PARAMETERS, PREFIXES)


def _name_problem(name: str, reserved: frozenset[str], prefixes: tuple[str, ...]) -> str:
    if name in reserved:
        return "Google Analytics keeps this name for itself; choose another"
    prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
    if prefix:
        return f"Google Analytics keeps names that begin with {prefix} for itself; choose another"
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        return f"Google Analytics takes at most {MAX_NAME} letters, digits and _, a letter first; choose another name"
    return ""
