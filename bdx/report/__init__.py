"""One file per output form of findings and gaps."""
