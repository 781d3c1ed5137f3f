"""Uses the page of `attend serve` as a person does, in Chromium: types, points, presses keys, drops files.

Usage: check_page.py ADDRESS SOURCE TARGET TEXT TRANSLATION SCREENSHOTS

The server translates TEXT from SOURCE to TARGET, and the result is TRANSLATION. Pictures of the page are written to the folder SCREENSHOTS. Needs
Python's packages playwright and axe-playwright-python, and Debian's package chromium.
"""

import json
import shutil
import sys
import urllib.request
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import expect, sync_playwright

ADDRESS, SOURCE, TARGET, TEXT, TRANSLATION, SCREENSHOTS = sys.argv[1:]
SCREENSHOTS = Path(SCREENSHOTS)
# With it, axe-core looks at a page.
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


def ask(path, **parameters):
    """Returns what the server answers to JSON."""
    body = json.dumps(parameters).encode()
    request = urllib.request.Request(f"{ADDRESS}{path}", body, {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def expected_shades(word):
    """Returns the weight of each word of the text, as the server gives them, in the second-to-last layer."""
    found = ask("/v1/attention", source=SOURCE, target=TARGET, text=TEXT, translation=TRANSLATION)
    cross = next(kind for kind in found["attention"] if kind["kind"] == "cross")
    heads = cross["layers"][max(0, len(cross["layers"]) - 2)]
    weights = [sum(head[word][key] for head in heads) / len(heads) for key in range(len(cross["keys"]))]
    return {key: weight for key, weight in zip(cross["keys"], weights) if key != "</s>"}


def shades(page):
    """Returns the words of the text that are shaded, with their weights."""
    marks = page.locator("#shading mark")
    expect(marks.first).to_be_attached()
    return {mark.text_content(): float(mark.get_attribute("data-weight")) for mark in marks.all()}


def check_shades(page, word):
    found, expected = shades(page), expected_shades(word)
    assert found.keys() == expected.keys(), (found, expected)
    assert all(abs(found[key] - expected[key]) < 1e-3 for key in expected), (found, expected)


def check_accessibility(page, state):
    """Axe-core finds nothing serious."""
    page.evaluate(AXE)
    violations = page.evaluate("axe.run().then((found) => found.violations)")
    serious = [found for found in violations if found["impact"] in ("serious", "critical")]
    assert not serious, (state, json.dumps(serious, indent=1))


def type_text(page):
    page.get_by_label("From").select_option(SOURCE)
    page.get_by_label("To").select_option(TARGET)
    page.get_by_role("textbox", name="Text").fill(TEXT)
    expect(page.locator("#translation")).to_have_text(TRANSLATION)


def check_desk(page):
    """What a person does at a desk, with a pointer and with keys."""
    type_text(page)
    assert page.locator("#spoken").text_content() == TRANSLATION
    words = page.locator(".word")
    assert words.all_text_contents() == TRANSLATION.split()

    last = words.count() - 1
    words.nth(last).hover()
    check_shades(page, last)
    page.screenshot(path=SCREENSHOTS / "hover.png")
    page.mouse.move(0, 0)
    expect(page.locator("#shading mark")).to_have_count(0)

    words.first.focus()
    check_shades(page, 0)
    page.keyboard.press("ArrowRight")
    expect(words.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    others = page.locator("#alternatives button")
    expect(others.first).to_be_focused()
    assert others.count() > 1 and others.first.text_content() == TRANSLATION
    page.screenshot(path=SCREENSHOTS / "alternatives.png")
    check_accessibility(page, "alternatives")
    other = others.nth(1).text_content()
    others.nth(1).click()
    expect(page.locator("#translation")).to_have_text(other)
    page.keyboard.press("Enter")
    expect(page.locator("#others")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#others")).to_be_hidden()
    expect(words.first).to_be_focused()

    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == other

    page.get_by_text("All layers and heads").click()
    frame = page.frame_locator("iframe")
    expect(frame.locator("#kind option")).to_have_count(3)
    expect(frame.locator("h1")).to_contain_text(other)
    page.get_by_text("The same on a command line").click()
    command = page.locator("#curl").text_content()
    assert command.startswith(f"curl {ADDRESS}/translate") and TEXT.split()[0] in command, command
    page.screenshot(path=SCREENSHOTS / "heads.png", full_page=True)

    file = {"name": "note.txt", "mimeType": "text/plain", "buffer": f"{TEXT}\n".encode()}
    page.get_by_label("Translate a file").set_input_files(file)
    with page.expect_download() as download:
        page.get_by_role("link", name="the translation of note.txt").click()
    assert download.value.suggested_filename == f"note.{TARGET}.txt", download.value.suggested_filename
    assert download.value.path().read_text() == f"{TRANSLATION}\n"

    # Two lines: the one that is known stays, and the other one follows.
    page.get_by_role("textbox", name="Text").fill(f"{TEXT}\n\n{TEXT.split()[0]}")
    second = ask("/translate", q=TEXT.split()[0], source=SOURCE, target=TARGET)["translatedText"]
    expect(page.locator("#translation")).to_have_text(f"{other}\n\n{second}", use_inner_text=True)


def check_stream(page):
    """A text of several sentences, and a server that fails between two of them."""
    text = f"{TEXT} {TEXT}  \n{TEXT} {TEXT} {TEXT}"
    page.get_by_role("textbox", name="Text").fill(text)
    whole = ask("/translate", q=text, source=SOURCE, target=TARGET)["translatedText"]
    expect(page.locator(".word")).to_have_count(len(whole.split()))
    assert page.locator("#translation").text_content() == whole, page.locator("#translation").text_content()

    told = [("start", {"source": SOURCE}), ("part", {"text": "Eins."}), ("part", {"text": "\nZwei."})]
    events = [*told, ("error", {"error": "it broke"})]
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    page.route("**/v1/stream", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    page.get_by_role("textbox", name="Text").fill("One.\nTwo. Three.")
    expect(page.locator("#status")).to_have_text("it broke")
    # The first line is complete, and the second has only begun.
    expect(page.locator(".word")).to_have_text(["Eins."])
    expect(page.locator("#translation .waiting")).to_have_text(["Zwei."])
    page.unroute("**/v1/stream")


def main():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            # A container gives its processes no namespaces of their own, which the sandbox needs.
            args=["--no-sandbox"],
        )
        for name, options in [
            ("light", {"viewport": {"width": 1280, "height": 900}}),
            ("dark", {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"}),
            ("phone", {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}),
        ]:
            context = browser.new_context(**options, permissions=["clipboard-read", "clipboard-write"])
            page = context.new_page()
            problems, elsewhere = [], []
            page.on("console", lambda message: message.type == "error" and problems.append(message.text))
            page.on("pageerror", lambda error: problems.append(str(error)))
            is_own = lambda url: url.startswith((ADDRESS, "data:"))
            page.on("request", lambda request: is_own(request.url) or elsewhere.append(request.url))
            page.goto(ADDRESS)
            if name == "light":
                check_desk(page)
                check_stream(page)
            else:
                type_text(page)
            page.screenshot(path=SCREENSHOTS / f"{name}.png")
            check_accessibility(page, name)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= options["viewport"]["width"], (name, width)
            assert not problems, (name, problems)
            assert not elsewhere, (name, elsewhere)
            context.close()
        browser.close()


main()
