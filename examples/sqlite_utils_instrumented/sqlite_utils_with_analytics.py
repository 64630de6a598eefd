"""sqlite-utils, unmodified, with usage analytics."""

from importlib.metadata import version
from pathlib import Path

from sqlite_utils.cli import cli

from cli_analytics import Analytics

manifest = Path(__file__).with_name("analytics.toml")
analytics = Analytics("sqlite-utils", version=version("sqlite-utils"), manifest=manifest)
analytics.attach(cli)
if __name__ == "__main__":
    cli(prog_name="sqlite-utils")
