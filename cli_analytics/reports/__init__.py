"""Reports: an archive's answers, as CSV. They need the extra `reports`.

    archive ── records.sql ──▶ records ── events.sql ──▶ events ── <question>.sql ──▶ <out>/<question>.csv

A question is one .sql file that begins with it. records.sql and events.sql are the warehouse: they know the engine and
the files, so that questions are plain SQL over the table `events`.
"""

from cli_analytics.reports.answers import write

__all__ = ["write"]
