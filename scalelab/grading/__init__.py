"""Exercises: the learner's code in a process of its own, checked on real servers."""
