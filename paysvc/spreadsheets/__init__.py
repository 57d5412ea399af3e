"""The one address for CSV and XLSX: lists come in as text cells, exports go out harmless."""
