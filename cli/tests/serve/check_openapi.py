"""Checks the description that `attend serve` gives of itself, and that answers are as it has them.

Usage: check_openapi.py ADDRESS

The server translates from en to de. Needs Python's package openapi-spec-validator.
"""

import json
import sys
import urllib.error
import urllib.request

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

ADDRESS = sys.argv[1]
BETWEEN = {"source": "en", "target": "de"}
REQUESTS = [
    ("get", "/frontend/settings", None),
    ("get", "/health", None),
    ("get", "/languages", None),
    ("post", "/detect", {"q": "the house is small"}),
    ("post", "/detect", {"q": ["a"]}),
    ("post", "/translate", {**BETWEEN, "q": "yes"}),
    ("post", "/translate", {**BETWEEN, "q": ["yes", "no"], "source": "auto", "alternatives": 2}),
    ("post", "/translate", {"q": "yes"}),
    ("post", "/v1/attention", {**BETWEEN, "text": "yes"}),
    ("post", "/v1/attention", {**BETWEEN, "text": " "}),
    ("post", "/v1/translate", {**BETWEEN, "text": ["yes", "no"], "nbest": 2, "beam_size": 2}),
    ("post", "/v1/translate", {**BETWEEN, "text": "yes", "alignment": True, "attention": True}),
    ("post", "/v1/translate", {**BETWEEN, "text": "yes", "sampling": {"top_p": 0.5}, "keep": ["urls"]}),
    ("post", "/v1/translate", {**BETWEEN, "text": "yes", "beam_size": 33}),
]


def ask(method, path, body):
    """Returns the status of an answer, and its JSON."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(ADDRESS + path, data, headers, method=method.upper())
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def check(value, schema):
    """A value is as a schema of the description has it."""
    # References lead into the description.
    whole = {**schema, "components": description["components"]}
    Draft202012Validator(whole).validate(value)


description = ask("get", "/spec", None)[1]
validate(description)
for method, path, body in REQUESTS:
    operation = description["paths"][path][method]
    status, answer = ask(method, path, body)
    responses = operation["responses"]
    response = responses.get(str(status)) or responses["default"]
    check(answer, response["content"]["application/json"]["schema"])
    if status == 200 and body is not None:
        check(body, operation["requestBody"]["content"]["application/json"]["schema"])
    print(f"{method} {path}: {status}")
