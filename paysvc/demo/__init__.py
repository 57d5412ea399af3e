"""A whole month of a synthetic province on one machine; nothing in it is about a real person."""
