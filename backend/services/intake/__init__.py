"""Facts that chargers report: durable before they are acknowledged."""
