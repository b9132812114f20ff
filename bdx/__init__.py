"""Battery data exchange: one library call behind each command of the `bdx` tool."""

__version__ = "0.1.0"
