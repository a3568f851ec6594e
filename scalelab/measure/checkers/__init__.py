"""Judges of correctness, one guarantee a module. All are pure.

A checker is told of operations as they happen, by plain calls that the hot loop can afford, and
its memory is bounded; or it judges what others collected. Its result is frozen plain data: counts,
a few examples and an ``outcome``. Results of several workers add up (``a + b``).
"""
