"""Calls every method of libretranslatepy 2.1.4: `check_libretranslatepy.py ADDRESS EXPECTED`, where EXPECTED is a file
of pairs in JSON, each a text in English and its translation into German."""

import json
import sys
import urllib.error

from libretranslatepy import LibreTranslateAPI

address, expected = sys.argv[1:]
with open(expected, encoding="utf-8") as file:
    pairs = json.load(file)

client = LibreTranslateAPI(address)
client_with_key = LibreTranslateAPI(address + "/", api_key="not needed")
for text, translation in pairs:
    assert client.translate(text, "en", "de") == translation
    assert client_with_key.translate(text, "en", "de", timeout=60) == translation
text, translation = pairs[3]
lines = f"{text}\n\n  {text}\n"
assert client.translate(lines, "en", "de") == f"{translation}\n\n  {translation}\n"
assert client.translate(text, "auto", "de") == translation

[found] = client.detect(text)
assert found["language"] == "en" and isinstance(found["confidence"], int), found
assert client_with_key.detect(text, timeout=60) == [found]

languages = [
    {"code": "de", "name": "German", "targets": []},
    {"code": "en", "name": "English", "targets": ["de"]},
]
assert client.languages() == languages
assert client_with_key.languages(timeout=60) == languages

try:
    client.translate(text)  # It translates into Spanish unless asked otherwise.
except urllib.error.HTTPError as error:
    assert error.code == 400
    assert json.load(error) == {"error": "no model translates from en to es"}
else:
    sys.exit("a translation into Spanish")
