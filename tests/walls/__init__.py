"""The walls between tenants, roles and persons, walked from the catalogue and from the OpenAPI document."""
