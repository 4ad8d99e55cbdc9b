# SPDX-License-Identifier: Apache-2.0
"""The accounts of the stage by number, and the versions of one."""
import json


def name_of(i):
    return f"site {i:05d}/root{i % 7}"


def account_of(st, i):
    return st.a.sql(f"SELECT a.id FROM account a JOIN resource r ON r.id = a.resource WHERE r.name = 'site {i:05d}'")[
        0
    ][0]


def get(st, session, i, *more, host="b"):
    return st.cli("get", *more, name_of(i), session=session, host=host).stdout.rstrip("\n")


def history(st, session, i, host="b"):
    return json.loads(st.cli("history", "--json", name_of(i), session=session, host=host).stdout)["versions"]
