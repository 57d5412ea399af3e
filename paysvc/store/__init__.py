"""What is kept: SQLAlchemy Core tables, bulk columns, and the vault of exact bytes."""
