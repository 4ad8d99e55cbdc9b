#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A user who works on through a fault, on a host of their own, and writes down every answer outside the product.

    load.py --role reader|writer --session FILE --order node-b.test,node-a.test --accounts ID,… --tag r1 --out FILE

One JSON object a line: when it began and ended (monotonic clock), whether it was acknowledged, by which node, with which
mode, durability, as-of. Ends on SIGTERM after the request in flight.
"""
import argparse
import http.client
import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))
from fastclient import Client  # noqa: E402
from wait import pace  # noqa: E402


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--role", choices=["reader", "writer"], required=True)
    ap.add_argument("--session", required=True)
    ap.add_argument("--order", default="")
    ap.add_argument("--accounts", required=True)
    ap.add_argument("--interval", type=float, default=0.02)
    ap.add_argument("--answer", type=float, default=1.0, help="seconds a reader waits for one node")
    ap.add_argument("--only", action="store_true", help="know the first node of the order alone")
    ap.add_argument("--tag", required=True)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(1))
    accounts = args.accounts.split(",")
    client = Client(args.session, args.order.split(",") if args.order else None)
    if args.only:
        client.nodes = client.nodes[:1]
        client.contexts = {client.nodes[0]: client.contexts[client.nodes[0]]}
    out = open(args.out, "w", buffering=1)
    n = 0
    while not over:
        n += 1
        account = accounts[n % len(accounts)]
        row = {"role": args.role, "tag": args.tag, "n": n, "account": account, "t0": time.monotonic()}
        try:
            (read if args.role == "reader" else write)(client, account, f"{args.tag}-{n}", row, args, over)
        except TimeoutError as e:
            row.update(ok=False, error=str(e))
        except (OSError, http.client.HTTPException) as e:
            row.update(ok=False, error=f"{type(e).__name__}: {e}")
        row["t1"] = time.monotonic()
        out.write(json.dumps(row) + "\n")
        pace(args.interval)


def read(client, account, reason, row, args, over):
    r, why = client.retrieve(account, reason, patience=20, answer_s=args.answer)
    row.update(
        ok=True,
        reason=why,
        node=r.node,
        mode=r.mode,
        as_of=r.as_of,
        durability=r.durability,
        version=r.body.get("n", r.body.get("version")),
        value=r.body.get("fields", {}).get("password", r.body.get("password")),
    )


def write(client, account, value, row, args, over):
    """Once, to whichever node takes writes; an unclear outcome is not repeated, it stays unclear."""
    row.update(value=value, ok=False)
    for url in client.nodes:
        try:
            r = client.call(
                url, "POST", f"/v1/accounts/{account}/versions", {"fields": {"password": value}}, timeout=30
            )
        except ConnectionRefusedError:
            row["error"] = "refused"
            continue
        row.update(status=r.status, code=r.code, node=r.node, mode=r.mode, durability=r.durability)
        if r.status in (200, 201):
            row.update(ok=True, version=r.body.get("n", r.body.get("version")), id=r.body.get("id"))
            return
        if r.status not in (307, 429, 503, 403):
            return


if __name__ == "__main__":
    main()
