"""Use cases, one file per noun; the only place that names tables and SQL functions."""
