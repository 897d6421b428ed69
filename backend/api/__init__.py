"""The edge to people and integrators: one router per noun, its models above its routes."""
