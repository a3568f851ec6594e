"""The tool against its peers, side by side in one run. Ratios, never absolute times."""
