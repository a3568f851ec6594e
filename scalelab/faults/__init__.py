"""Faults: one file each, whose ``FAULT`` says how it is applied, proved and healed."""
