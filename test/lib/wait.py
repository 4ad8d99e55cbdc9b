# SPDX-License-Identifier: Apache-2.0
"""Waiting, with an end. The one place in test/ that sleeps (tools/check_tests.py).

A test waits for what it can see, never for time to pass: wait_until(). A timeout is only the end of the waiting; a good run never
takes so long, so that it is generous. What must not happen is looked for all the while: still_true().
"""
import time

PATIENCE_S = 60


def wait_until(what, look, good=bool, timeout=PATIENCE_S, every=0.05, also=lambda: "", error=AssertionError):
    """Looks until what it sees is good; returns that. `what` is said when it does not come, with what was seen last and what also() tells."""
    end = time.monotonic() + timeout
    while True:
        over = (
            time.monotonic() > end
        )  # the last look is one behind the end: this process itself may have been kept waiting
        seen = look()
        if good(seen):
            return seen
        if over:
            raise error(f"not within {timeout} s: {what}; seen last: {seen!r} {also()}".rstrip())
        time.sleep(every)


def still_true(what, look, seconds, good=bool, every=0.1):
    """It is so now, and at every look for so many seconds."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        assert good(seen), f"no longer true: {what}; seen: {seen!r}"
        if time.monotonic() > end:
            return seen
        time.sleep(every)


def pass_time(seconds, why):
    """Where the time itself is what the test is about: a fault lasts so long, an age is reached. Never for something to be over."""
    assert why
    time.sleep(seconds)


def pace(seconds):
    """Between two steps of a user, a measurement or a schedule."""
    time.sleep(max(0, seconds))
