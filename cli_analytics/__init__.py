"""Usage analytics for command-line and container tools that nobody has to be ashamed of.

The way of one event:

    @analytics.command                     integrations/click.py   sees how the command ends; is never in its way
      └ Analytics.record("command_run", …)    client.py
          ├ consent.decide(…)              not allowed → nothing was touched
          ├ notice.ensure_shown(…)         shown just now → this run records nothing
          ├ event.build(…)                 identity.client_id · context
          ├ Spool.append(…)                draft and rename: one file an event
          └ sender.start_if_due(…)         detached, at most one alive
    ── sender's process ──  drain.py       claim → gate → sink → POST → done, release or drop
    ── collector ──                        decode → gate → de-duplicate → archive → 200
    ── operator ──                         cli-analytics report archive/ → CSV

PYTEST_DONT_REWRITE: a host that runs pytest itself has imported this before its plugin is loaded.
"""

__version__ = "0.1.0"
__all__ = ["Analytics"]

from cli_analytics.client import Analytics
