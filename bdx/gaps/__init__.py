"""Requirement profiles minus supply: what the receiver will miss."""
