"""The edge to chargers: OCPP-J over WebSocket. The message core of the product."""
