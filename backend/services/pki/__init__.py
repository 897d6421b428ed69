"""The platform's own certificate authority, and the certificates of chargers.

Why it is so: docs/decisions/0009-charger-credentials.md.
"""
