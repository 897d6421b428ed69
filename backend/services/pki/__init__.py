"""The platform's own certificate authority, and the certificates of chargers (docs/decisions/0017-charger-credentials.md)."""
