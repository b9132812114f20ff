"""The rule engine: masks and folds over canonical tables, JSON Schema over documents; it never changes data."""
