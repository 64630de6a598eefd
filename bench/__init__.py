"""Bench: what cli-analytics costs a command, beside what people would use instead."""
