"""The bank adapters that ship with paysvc, registered by entry point like any stranger's."""
