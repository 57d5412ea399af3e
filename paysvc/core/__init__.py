"""The same facts for a million rows: columns in, columns out, and no I/O but bytes."""
