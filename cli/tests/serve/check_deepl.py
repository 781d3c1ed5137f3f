"""Calls the methods of deepl 1.32 that a server of translations has: `check_deepl.py EXPECTED`, where EXPECTED is a
file in JSON with the addresses of servers, texts in English, and their translations into German."""

import io
import json
import pathlib
import sys

import deepl
from deepl import http_client
from deepl.api_data import MultilingualGlossaryDictionaryEntries as Entries

with open(sys.argv[1], encoding="utf-8") as file:
    expected = json.load(file)
texts, translations = expected["texts"], expected["translations"]
sentences = expected["sentences"]

# A refusal that may pass is tried again, which would take half a minute.
http_client.max_network_retries = 1

client = deepl.DeepLClient("any", server_url=expected["open"], send_platform_info=False)
german = {"source_lang": "EN", "target_lang": "DE"}


def refused(error, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except error as found:
        assert type(found) is error, found
        return str(found)
    sys.exit(f"no {error.__name__}")


# Texts.
found = client.translate_text(texts, **german)
assert [result.text for result in found] == translations
assert [result.detected_source_lang for result in found] == ["EN"] * len(texts)
assert [result.billed_characters for result in found] == [len(text) for text in texts]
text, translation = texts[2], translations[2]
found = client.translate_text(text, target_lang="de")
assert (found.text, found.detected_source_lang) == (translation, "EN"), found.text
for option in [
    {"context": "a text beside it"},
    {"preserve_formatting": True},
    {"preserve_formatting": False},
    {"outline_detection": False},
    {"formality": deepl.Formality.DEFAULT},
    {"formality": deepl.Formality.PREFER_LESS},
    {"formality": deepl.Formality.PREFER_MORE},
    {"split_sentences": deepl.SplitSentences.ALL},
    {"split_sentences": deepl.SplitSentences.NO_NEWLINES},
    {"tag_handling": "xml", "tag_handling_version": "v2"},
    {"tag_handling": "html"},
]:
    assert client.translate_text(text, **german, **option).text == translation, option
assert client.translate_text(sentences, **german).text == expected["of_sentences"]
off = client.translate_text(sentences, split_sentences=deepl.SplitSentences.OFF, **german)
assert off.text == expected["of_one_sentence"]
for model_type in deepl.translator.ModelType:
    found = client.translate_text(text, model_type=model_type, **german)
    assert found.model_type_used == model_type.value.removeprefix("prefer_")
found = client.translate_text(expected["tags"], tag_handling="xml", **german)
assert found.text == expected["of_tags"]
found = client.translate_text(
    "an old man reads <x>the house</x>", tag_handling="xml", ignore_tags=["x", "y"], splitting_tags="p",
    non_splitting_tags="b", **german,
)
assert "<x>the house</x>" in found.text
message = refused(deepl.DeepLException, client.translate_text, text, formality="more", **german)
assert "formality" in message
message = refused(deepl.DeepLException, client.translate_text, text, source_lang="EN", target_lang="FR")
assert "no model translates from en to fr" in message

# Languages and usage.
assert [(language.code, language.name) for language in client.get_source_languages()] == [("EN", "English")]
[language] = client.get_target_languages()
assert (language.code, language.name, language.supports_formality) == ("DE", "German", False)
to_english = deepl.DeepLClient("any", server_url=expected["to_english"])
assert [language.code for language in to_english.get_target_languages()] == ["EN-GB", "EN-US"]
for target in ["EN-GB", "EN-US"]:
    assert to_english.translate_text("ein Buch", source_lang="DE", target_lang=target).text
usage = client.get_usage()
assert usage.character.valid and not usage.any_limit_reached and usage.character.count > len(text)
[pair] = client.get_glossary_languages()
assert (pair.source_lang, pair.target_lang) == ("en", "de")

# Documents.
with open(expected["document"], "rb") as file:
    document = file.read()
output = io.BytesIO()
status = client.translate_document(document, output, filename="lines.txt", **german)
assert status.done and status.billed_characters == sum(map(len, texts))
assert output.getvalue().decode() == expected["of_document"]
output = pathlib.Path(expected["document"]).with_suffix(".de.txt")
client.translate_document_from_filepath(expected["document"], output, **german)
assert output.read_text(encoding="utf-8") == expected["of_document"]
handle = client.translate_document_upload("\n".join(texts * 1500), filename="long.txt", **german)
refused(deepl.DocumentNotReadyException, client.translate_document_download, handle, io.BytesIO())
assert client.translate_document_wait_until_done(handle).done
refused(
    deepl.DocumentTranslationException, client.translate_document, b"yes", io.BytesIO(), filename="a.txt",
    source_lang="EN", target_lang="FR",
)
refused(deepl.DeepLException, client.translate_document_upload, b"yes", filename="a.pdf", **german)

# Glossaries of one pair of languages.
entries = {"house": "Garten", "old man": "Buch"}
glossary = client.create_glossary("terms", "EN", "DE", entries)
assert (glossary.name, glossary.ready, glossary.entry_count) == ("terms", True, 2)
assert (glossary.source_lang, glossary.target_lang) == ("EN", "DE")
assert client.get_glossary_entries(glossary) == entries
assert client.get_glossary(glossary.glossary_id).creation_time == glossary.creation_time
assert client.translate_text_with_glossary(sentences, glossary).text == expected["with_glossary"]
found = client.translate_text(sentences, glossary=glossary, **german)
assert found.text == expected["with_glossary"]
found = client.translate_text(sentences, glossary_ids=[glossary], **german)
assert found.text == expected["with_glossary"]
of_csv = client.create_glossary_from_csv("csv", "EN", "DE", 'house,Garten\n"old man",Buch,EN,DE\n')
assert client.get_glossary_entries(of_csv.glossary_id) == entries
names = {found.name for found in client.list_glossaries()}
assert names == {"terms", "csv"}
output = io.BytesIO()
client.translate_document("The house is small.", output, filename="a.txt", glossary=glossary, **german)
assert "Garten" in output.getvalue().decode()
client.delete_glossary(glossary)
client.delete_glossary(of_csv)
assert client.list_glossaries() == []
for call in [client.get_glossary, client.get_glossary_entries, client.delete_glossary]:
    refused(deepl.GlossaryNotFoundException, call, glossary.glossary_id)
refused(deepl.DeepLException, client.translate_text_with_glossary, sentences, glossary)

# Glossaries of several pairs.
glossary = client.create_multilingual_glossary(
    "terms", [Entries("EN", "DE", {"house": "Kinder"}), Entries("DE", "EN", {"Haus": "house"})]
)
assert len(glossary.dictionaries) == 2
found = client.translate_text("the house", glossary=glossary, **german)
assert "Kinder" in found.text
updated = client.update_multilingual_glossary_dictionary(glossary, Entries("EN", "DE", entries))
counts = {dictionary.source_lang: dictionary.entry_count for dictionary in updated.dictionaries}
assert counts == {"EN": 2, "DE": 1}
found = client.translate_text(sentences, glossary=updated, **german)
assert found.text == expected["with_glossary"]
[dictionary] = client.get_multilingual_glossary_entries(glossary, "EN", "DE").dictionaries
assert deepl.convert_tsv_to_dict(dictionary.entries) == entries
client.update_multilingual_glossary_dictionary_from_csv(glossary, "EN", "DE", "book,laut\n")
replaced = client.replace_multilingual_glossary_dictionary(glossary, Entries("EN", "DE", {"man": "Haus"}))
assert (replaced.source_lang, replaced.target_lang, replaced.entry_count) == ("EN", "DE", 1)
replaced = client.replace_multilingual_glossary_dictionary_from_csv(glossary, "EN", "DE", "man,Haus\na,b\n")
assert replaced.entry_count == 2
assert client.update_multilingual_glossary_name(glossary, "other").name == "other"
client.delete_multilingual_glossary_dictionary(glossary, source_lang="DE", target_lang="EN")
found = client.get_multilingual_glossary(glossary.glossary_id)
assert [dictionary.source_lang for dictionary in found.dictionaries] == ["EN"]
of_csv = client.create_multilingual_glossary_from_csv("csv", "EN", "DE", "house,Garten\n")
assert {found.name for found in client.list_multilingual_glossaries()} == {"other", "csv"}
client.delete_multilingual_glossary(of_csv)
client.delete_multilingual_glossary(glossary)
refused(deepl.GlossaryNotFoundException, client.get_multilingual_glossary, glossary.glossary_id)
refused(deepl.GlossaryNotFoundException, client.update_multilingual_glossary_name, glossary, "a")

# What else DeepL has is not here, and says so.
refused(deepl.DeepLException, client.rephrase_text, text)

# Keys.
stranger = deepl.DeepLClient("eve", server_url=expected["keyed"])
for call in [stranger.get_usage, stranger.get_source_languages, stranger.list_glossaries]:
    refused(deepl.AuthorizationException, call)
refused(deepl.AuthorizationException, stranger.translate_text, text, **german)
anna = deepl.DeepLClient("anna", server_url=expected["keyed"])
assert anna.translate_text(text, **german).text == translation
usage = anna.get_usage().character
assert (usage.count, usage.limit) == (len(text), 20)
refused(deepl.QuotaExceededException, anna.translate_text, text, **german)
refused(deepl.QuotaExceededException, anna.translate_document_upload, document, filename="lines.txt", **german)
peter = deepl.DeepLClient("peter", server_url=expected["keyed"])
glossary = peter.create_glossary("terms", "EN", "DE", entries)
refused(deepl.GlossaryNotFoundException, anna.get_glossary, glossary.glossary_id)
assert "Garten" in peter.translate_text_with_glossary("the house", glossary).text

# One request in a minute.
slow = deepl.DeepLClient("any", server_url=expected["slow"])
assert slow.translate_text(text, **german).text == translation
refused(deepl.TooManyRequestsException, slow.translate_text, text, **german)
