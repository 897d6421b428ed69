"""Repeatable measurements of the platform against the plain `ocpp` library server: `python -m bench`."""
