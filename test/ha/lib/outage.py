# SPDX-License-Identifier: Apache-2.0
"""One fault under load, from the last good answer before it to the first behind it, and the checker's word on it."""
import json
import time

import checker
from seen import emergency_after, primary_after, write_after
from wait import pass_time

HOLD_S = 4  # how long a fault lasts after the first emergency answer


def play(st, fault, hold_s=HOLD_S, during=None):
    """Load, fault, hold, undo, home again, load on, stop, check. Returns (rows, moment of the fault, moment of the undoing)."""
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        load.wait_for(primary_after(0, "rb"))
        begun = time.monotonic()
        fault.do(st)
        if fault.emergency:
            load.wait_for(emergency_after(begun))
        if during:
            during(load, begun)
        pass_time(hold_s, "the fault lasts, and users work on meanwhile")
        ended = time.monotonic()
        fault.undo(st)
        st.home_again()
        home = time.monotonic()
        load.wait_for(write_after(home, "both"))
        load.wait_for(primary_after(home, "rb"))
        rows = load.stop()
    print(checker.everything(st, rows))
    bad = [r for r in rows if r["role"] == "reader" and not r["ok"]]
    assert not bad, f"{len(bad)} readings failed although one side could always serve: {json.dumps(bad[:3])}"
    return rows, begun, ended
