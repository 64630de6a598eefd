"""Integrations: adapters to frameworks. Import the one you need; none is imported for you."""
