"""paysvc: a province's public payments, from the registry file to the signed report."""

__version__ = "0.1.0"
