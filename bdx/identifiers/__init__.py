"""Public identifiers as pure functions of one text: grammar, check digits, parsing, building and one canonical spelling."""
