"""The JSON API: a view parses, calls one service and renders."""
