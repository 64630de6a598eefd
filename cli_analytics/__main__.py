"""`python -m cli_analytics` is `cli-analytics`."""

from cli_analytics.cli import main

main(prog_name="cli-analytics")
