from __future__ import annotations

from scalelab.measure.history import Event, Operation, events


def test_events_are_in_the_order_of_time() -> None:
    history = [Operation(0, "write", 0, 1, 0, 5), Operation(1, "read", 0, 1, 2, 3)]
    assert events(history) == [
        Event(0, False, 0),
        Event(2, False, 1),
        Event(3, True, 1),
        Event(5, True, 0),
    ]


def test_operations_that_touch_are_concurrent() -> None:
    history = [Operation(0, "write", 0, 1, 0, 5), Operation(1, "read", 0, 1, 5, 6)]
    assert [(event.ends, event.number) for event in events(history)] == [
        (False, 0),
        (False, 1),
        (True, 0),
        (True, 1),
    ]
