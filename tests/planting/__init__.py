"""Clean data, ways to spoil it by one fault, and what a validation says of the spoilt data."""
