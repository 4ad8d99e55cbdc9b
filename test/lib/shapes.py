# SPDX-License-Identifier: Apache-2.0
"""Holds replies of the API against what the program says of them: its own OpenAPI document."""
import functools
import json
import re
import subprocess

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
FORMATS = {"uuid": UUID, "date-time": TIME}
KINDS = {
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "null": lambda v: v is None,
}
KNOWN = {"$ref", "oneOf", "type", "format", "properties", "required", "additionalProperties", "items"}

faults = []  # also what a test caught, or a thread of its own met
met = set()  # (method, pattern, status) of what was held against its shape


class Misshapen(AssertionError):
    """A reply is not what the document says."""


class Contract:
    def __init__(self, document):
        self.schemas = document["components"]["schemas"]
        self.operations = {}
        self.patterns = []
        for pattern, item in document["paths"].items():
            self.patterns.append((re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(pattern)) + r"\Z"), pattern))
            for method, op in item.items():
                self.operations[method.upper(), pattern] = op
        # /v1/users/me before /v1/users/{id}
        self.patterns.sort(key=lambda p: p[1].count("{"))

    def operation(self, method, path):
        """(pattern, operation), as the router finds it; None: there is none."""
        for fits, pattern in self.patterns:
            if fits.match(path) and (method, pattern) in self.operations:
                return pattern, self.operations[method, pattern]
        return None, None

    def check(self, method, target, status, media, body):
        """Misshapen, or nothing."""
        path = target.split("?", 1)[0]
        pattern, op = self.operation(method, path)
        try:
            if op is None:
                self.need(status >= 300, "it goes well, but the document does not know it")
                return self.check_error(media, body)
            declared = op["responses"].get(str(status))
            if declared is None:
                self.need(status >= 300, f"the status {status} is not in the document")
                return self.check_error(media, body)
            met.add((method, pattern, status))
            self.check_declared(declared, media, body)
        except Misshapen as e:
            told = Misshapen(f"{method} {path} → {status}: {e}; reply: {body[:2000]!r}")
            faults.append(str(told))
            raise told from None

    def check_error(self, media, body):
        self.check_json({"$ref": "#/components/schemas/Error"}, media, body)

    def check_declared(self, declared, media, body):
        content = declared.get("content")
        if not content:
            return self.need(not body, "it has a body, but the document says none")
        schema = content.get("application/json", {}).get("schema")
        if schema:
            return self.check_json(schema, media, body)
        self.need((media or "").split(";")[0] in content, f"the media type {media} is not in the document")

    def check_json(self, schema, media, body):
        self.need((media or "").split(";")[0] == "application/json", f"the media type is {media}, not JSON's")
        self.check_value(schema, json.loads(body), "$")

    @staticmethod
    def need(good, text):
        if not good:
            raise Misshapen(text)

    def check_value(self, schema, v, at):
        unknown = set(schema) - KNOWN
        assert not unknown, f"the document uses {unknown}, which this check does not know"
        if "$ref" in schema:
            return self.check_value(self.schemas[schema["$ref"].rsplit("/", 1)[1]], v, at)
        if "oneOf" in schema:
            return self.check_one_of(schema["oneOf"], v, at)
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        self.need(any(KINDS[k](v) for k in kinds), f"{at} is {v!r:.60}, not {' or '.join(kinds)}")
        if isinstance(v, str) and "format" in schema:
            self.need(FORMATS[schema["format"]].fullmatch(v), f"{at} is {v!r:.60}, not a {schema['format']}")
        if isinstance(v, list):
            for i, one in enumerate(v):
                self.check_value(schema["items"], one, f"{at}[{i}]")
        if isinstance(v, dict):
            self.check_object(schema, v, at)

    def check_one_of(self, schemas, v, at):
        whys = []
        for one in schemas:
            try:
                self.check_value(one, v, at)
            except Misshapen as e:
                whys.append(str(e))
        self.need(
            len(whys) == len(schemas) - 1,
            f"{at} fits {len(schemas) - len(whys)} of {len(schemas)} shapes: {'; '.join(whys)}",
        )

    def check_object(self, schema, v, at):
        fields, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        missing = set(schema.get("required", ())) - set(v)
        self.need(not missing, f"{at} lacks {sorted(missing)}")
        for name, value in v.items():
            if name in fields:
                self.check_value(fields[name], value, f"{at}.{name}")
            else:
                self.need(more, f"{at} has {name!r}, which the document does not name")
                if isinstance(more, dict):
                    self.check_value(more, value, f"{at}.{name}")


@functools.lru_cache(maxsize=None)
def contract_of(holdfast):
    """What this program says of its API."""
    return Contract(json.loads(subprocess.run([holdfast, "docs", "openapi"], capture_output=True, check=True).stdout))
