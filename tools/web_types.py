#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the console's types of the API's replies: holdfast docs openapi | web_types.py > web/src/openapi.ts"""
import json
import sys

HEAD = """// SPDX-License-Identifier: Apache-2.0
//
// Written by tools/web_types.py from what the program says of its API (`holdfast docs openapi`).
"""
PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def type_of(s):
    if "$ref" in s:
        return s["$ref"].rsplit("/", 1)[1]
    if "oneOf" in s:
        return " | ".join(type_of(one) for one in s["oneOf"])
    kinds = s.get("type", [])
    if kinds == "array":
        return f"{type_of(s['items'])}[]"
    if kinds == "object":
        return f"Record<string, {type_of(s.get('additionalProperties') or {})}>"
    return " | ".join(PLAIN[k] for k in ([kinds] if isinstance(kinds, str) else kinds)) or "unknown"


def interface_of(name, s):
    must = set(s.get("required", []))
    rows = [f"\t{field}{'' if field in must else '?'}: {type_of(of)};" for field, of in s["properties"].items()]
    return "\n".join([f"export interface {name} {{", *rows, "}"])


def main():
    schemas = json.load(sys.stdin)["components"]["schemas"]
    print(HEAD)
    print("\n\n".join(interface_of(name, schemas[name]) for name in sorted(schemas) if "properties" in schemas[name]))


if __name__ == "__main__":
    main()
