"use strict";

/** The milliseconds after the last key, after which the text is translated. */
const PAUSE = 250;
/** How many other translations of a line are shown. */
const ALTERNATIVES = 4;

const byId = (id) => document.getElementById(id);
const [source, target, text, key] = ["source", "target", "text", "key"].map(byId);

/** The languages of the server, by code. */
let languages = new Map();
/** What the lines that were translated became, by direction and line. */
const translations = new Map();
/** The languages that the server found out, by direction and line. */
const detected = new Map();
/** The attention of translated lines, by direction, line and translation. */
const attentions = new Map();
/** The text as it was last sent, line by line, each with its translation as soon as that is there. */
let lines = [];
/** Ends the requests of an older text. */
let typing = new AbortController();

/** Shows a sentence above the texts: what the server found, or what went wrong. */
function say(message, isError = false) {
    const status = byId("status");
    status.textContent = message;
    status.classList.toggle("error", isError);
}

/** Sends JSON to the server, and returns the response. */
async function send(address, parameters, signal) {
    const headers = { "Content-Type": "application/json" };
    if (key.value) {
        headers.Authorization = `Bearer ${key.value}`;
    }
    const response = await fetch(address, { method: "POST", headers, body: JSON.stringify(parameters), signal });
    if (!response.ok) {
        const answer = await response.json().catch(() => ({}));
        throw new Error(answer.error ?? `The server answered with ${response.status}.`);
    }
    return response;
}

/** Sends JSON to the server, and returns what it answers. */
const ask = async (address, parameters, signal) => (await send(address, parameters, signal)).json();

/** Sends JSON to the server, and returns the events that it answers, each with its name and its data. */
async function* events(address, parameters, signal) {
    const response = await send(address, parameters, signal);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let open = "";
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
        const blocks = (open + chunk.value).split("\n\n");
        open = blocks.pop();
        for (const block of blocks) {
            const fields = block.split("\n").map((line) => line.split(/: (.*)/s));
            const { event, data } = Object.fromEntries(fields);
            // A comment keeps the connection open.
            if (event) {
                yield { event, data: JSON.parse(data) };
            }
        }
    }
}

/** The names of what is translated: the part of a key in the maps above. */
const direction = () => `${source.value} ${target.value}`;

/** Fills a choice with languages, and keeps the old one if it is still there. */
function offer(select, codes, first = []) {
    const old = select.value;
    const options = [...first, ...codes.map((code) => [languages.get(code)?.name ?? code, code])];
    select.replaceChildren(...options.map(([name, code]) => new Option(name, code)));
    if (options.some(([, code]) => code === old)) {
        select.value = old;
    }
}

/** The languages into which the chosen one is translated. */
function targets() {
    const chosen = languages.get(source.value);
    const all = [...languages.values()].flatMap((language) => language.targets);
    return [...new Set(chosen ? chosen.targets : all)];
}

async function start() {
    const [known, settings] = await Promise.all(
        ["languages", "frontend/settings"].map((address) => fetch(address).then((response) => response.json())),
    );
    byId("key-label").hidden = !settings.keyRequired;
    byId("file-tools").hidden = !settings.filesTranslation;
    languages = new Map(known.map((language) => [language.code, language]));
    const sources = known.filter((language) => language.targets.length > 0).map((language) => language.code);
    offer(source, sources, [["Find out", "auto"]]);
    source.value = sources[0] ?? "auto";
    offer(target, targets());
    showCommand();
}

/** Translates the lines that have no translation yet, and shows each sentence as it comes. */
async function translate() {
    typing.abort();
    typing = new AbortController();
    const { signal } = typing;
    const known = direction();
    lines = text.value.split("\n").map((line) => ({
        line,
        translation: line.trim() === "" ? line : translations.get(`${known}\n${line}`),
    }));
    show();
    const open = [...new Set(lines.filter(({ translation }) => translation === undefined).map(({ line }) => line))];
    if (open.length === 0) {
        say("");
        return;
    }
    say("Translating …");
    let told = "";
    /** Puts in what is there. Only the last line may still grow. */
    const fill = (isComplete) => {
        const begun = new Map();
        told.split("\n").forEach((translation, place, all) => {
            if (isComplete || place < all.length - 1) {
                translations.set(`${known}\n${open[place]}`, translation);
            } else {
                begun.set(open[place], translation);
            }
        });
        for (const entry of lines) {
            entry.translation ??= translations.get(`${known}\n${entry.line}`);
            entry.begun = begun.get(entry.line);
        }
        show();
    };
    try {
        const asked = { text: open.join("\n"), source: source.value, target: target.value };
        let frame;
        let isComplete = false;
        for await (const { event, data } of events("v1/stream", asked, signal)) {
            if (event === "start") {
                open.forEach((line) => detected.set(`${known}\n${line}`, data.source));
            } else if (event === "part") {
                told += data.text;
                cancelAnimationFrame(frame);
                frame = requestAnimationFrame(() => signal.aborted || isComplete || fill(false));
            } else if (event === "error") {
                throw new Error(data.error);
            } else if (event === "done") {
                isComplete = true;
            }
        }
        if (!isComplete) {
            throw new Error("The server ended before the translation was complete.");
        }
        fill(true);
        say(found(open[0]));
        byId("spoken").textContent = translated();
    } catch (error) {
        if (error.name !== "AbortError") {
            say(error.message, true);
        }
    }
}

/** The language of a line: the chosen one, or the one that the server found out. */
const languageOf = (line) => detected.get(`${direction()}\n${line}`) ?? source.value;

/** Names the language of a line, if the server found it out. */
function found(line) {
    const code = languageOf(line);
    return code === source.value ? "" : `The text is ${languages.get(code)?.name ?? code}.`;
}

/** The translation as text, as far as it is there. */
const translated = () => lines.map(({ translation }) => translation ?? "").join("\n");

/** Writes the translations, each word of which can be pointed at. */
function show() {
    shade([]);
    byId("others").hidden = true;
    byId("copy").disabled = lines.every(({ translation }) => !translation);
    const parts = lines.flatMap(({ line, begun, translation }, number) => [
        ...(number > 0 ? ["\n"] : []),
        ...(translation === undefined ? [waiting(begun || line)] : words(translation, number)),
    ]);
    byId("translation").replaceChildren(...parts);
    const first = document.querySelector(".word");
    if (first) {
        first.tabIndex = 0;
    }
    showCommand();
}

function waiting(line) {
    const element = document.createElement("span");
    element.className = "waiting";
    element.textContent = line;
    return element;
}

/** The words of a translation, and the white space between them. */
function words(translation, number) {
    let count = 0;
    return translation.split(/(\s+)/).filter(Boolean).map((part) => {
        if (part.trim() === "") {
            return part;
        }
        const word = document.createElement("span");
        Object.assign(word, { className: "word", textContent: part, tabIndex: -1 });
        word.setAttribute("role", "button");
        Object.assign(word.dataset, { line: number, word: count++ });
        return word;
    });
}

/** Returns the attention of a translated line: its words, and how much they look at those of the source. */
function attention({ line, translation }) {
    const place = `${direction()}\n${line}\n${translation}`;
    if (!attentions.has(place)) {
        const asked = { source: languageOf(line), target: target.value, text: line, translation };
        const answer = ask("v1/attention", asked);
        answer.catch(() => attentions.delete(place));
        attentions.set(place, answer);
    }
    return attentions.get(place);
}

/** Shades the words that a word of the translation looks at. */
async function lookFrom(word) {
    const number = Number(word.dataset.line);
    const entry = lines[number];
    try {
        const { attention: kinds } = await attention(entry);
        if (lines[number] !== entry || !(word.matches(":hover") || word === document.activeElement)) {
            return;
        }
        const cross = kinds.find(({ kind }) => kind === "cross");
        // The weights of the second-to-last layer agree best with the alignments that people make.
        const heads = cross.layers[Math.max(0, cross.layers.length - 2)];
        const weights = cross.keys.map((_, place) => {
            const ofHeads = heads.map((rows) => rows[word.dataset.word]?.[place] ?? 0);
            return ofHeads.reduce((sum, weight) => sum + weight, 0) / heads.length;
        });
        shade(placed(number, cross.keys, weights));
    } catch (error) {
        say(error.message, true);
    }
}

/** Finds words of the source in the text. Returns where each begins and ends, and its weight. */
function placed(number, found, weights) {
    let from = lines.slice(0, number).reduce((sum, { line }) => sum + line.length + 1, 0);
    const end = from + lines[number].line.length;
    return found.flatMap((word, place) => {
        const begin = text.value.indexOf(word, from);
        if (begin < 0 || begin + word.length > end) {
            return [];
        }
        from = begin + word.length;
        return [{ begin, end: from, weight: weights[place] }];
    });
}

/** Lays shades behind parts of the text. */
function shade(parts) {
    let from = 0;
    const shades = parts.flatMap(({ begin, end, weight }) => {
        const mark = document.createElement("mark");
        mark.textContent = text.value.slice(begin, end);
        mark.style.cssText = `color: transparent; background: rgba(var(--shade), ${(0.6 * weight).toFixed(3)})`;
        mark.dataset.weight = weight.toFixed(3);
        const before = text.value.slice(from, begin);
        from = end;
        return [before, mark];
    });
    byId("shading").replaceChildren(...shades, text.value.slice(from) + "\n");
    byId("shading").scrollTop = text.scrollTop;
}

/** Shows translations of the line that a word is in, the one that is shown first, and all heads of that. */
async function showOthers(word) {
    const entry = lines[word.dataset.line];
    showHeads(entry);
    try {
        const asked = { q: entry.line, source: source.value, target: target.value, format: "text" };
        const answer = await ask("translate", { ...asked, alternatives: ALTERNATIVES });
        const choices = [...new Set([entry.translation, answer.translatedText, ...answer.alternatives])];
        const buttons = choices.map((choice) => {
            const item = document.createElement("li");
            const button = document.createElement("button");
            Object.assign(button, { type: "button", textContent: choice });
            button.addEventListener("click", () => {
                translations.set(`${direction()}\n${entry.line}`, choice);
                entry.translation = choice;
                show();
                document.querySelector(`.word[data-line="${lines.indexOf(entry)}"]`)?.focus();
            });
            item.append(button);
            return item;
        });
        byId("alternatives").replaceChildren(...buttons);
        byId("others").hidden = false;
        buttons[0].firstChild.focus();
    } catch (error) {
        say(error.message, true);
    }
}

/** Loads the maps of all heads of a line, if they are to be seen. */
function showHeads(entry = lines.find(({ translation }) => translation?.trim())) {
    byId("heads-line").textContent = entry ? entry.line : "Translate a text first.";
    if (!entry || !byId("heads").open) {
        return;
    }
    const { line, translation } = entry;
    const fields = { source: languageOf(line), target: target.value, text: line, translation, api_key: key.value };
    const form = byId("heads-form");
    for (const [name, value] of Object.entries(fields)) {
        form.elements[name].value = value;
    }
    form.submit();
}

/** Shows the command that translates the same text. */
function showCommand() {
    const asked = { q: text.value, source: source.value, target: target.value, format: "text" };
    const body = JSON.stringify(key.value ? { ...asked, api_key: "KEY" } : asked).replaceAll("'", "'\\''");
    const address = new URL("translate", location.href);
    byId("curl").textContent = `curl ${address} \\\n    --header 'Content-Type: application/json' \\\n    --data '${body}'`;
}

/** Sends a file, and shows where its translation is. */
async function translateFile(file) {
    const item = document.createElement("li");
    item.textContent = `${file.name}: translating …`;
    byId("files").append(item);
    const form = new FormData();
    form.append("file", file);
    form.append("source", source.value);
    form.append("target", target.value);
    if (key.value) {
        form.append("api_key", key.value);
    }
    try {
        const response = await fetch("translate_file", { method: "POST", body: form });
        const answer = await response.json().catch(() => ({}));
        if (!response.ok) {
            throw new Error(answer.error ?? `The server answered with ${response.status}.`);
        }
        const link = document.createElement("a");
        // The server may be reached by another name than the one that it gives itself.
        link.href = new URL(answer.translatedFileUrl, location.href).pathname;
        link.download = "";
        link.textContent = `the translation of ${file.name}`;
        item.replaceChildren(link);
    } catch (error) {
        item.textContent = `${file.name}: ${error.message}`;
    }
}

let pause;
text.addEventListener("input", () => {
    shade([]);
    clearTimeout(pause);
    pause = setTimeout(translate, PAUSE);
});
text.addEventListener("scroll", () => {
    byId("shading").scrollTop = text.scrollTop;
});
source.addEventListener("change", () => {
    offer(target, targets());
    translate();
});
target.addEventListener("change", translate);
key.addEventListener("change", translate);

byId("swap").addEventListener("click", () => {
    const [from, to, old] = [source.value, target.value, translated()];
    if (!languages.get(to)?.targets.length) {
        say(`Nothing is translated from ${languages.get(to)?.name ?? to}.`, true);
        return;
    }
    source.value = to;
    offer(target, targets());
    target.value = targets().includes(from) ? from : target.value;
    text.value = old;
    translate();
});

byId("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(translated());
    say("The translation is copied.");
});

const translation = byId("translation");
const pointed = (event) => event.target.closest(".word");
translation.addEventListener("pointerover", (event) => pointed(event) && lookFrom(pointed(event)));
translation.addEventListener("pointerout", () => shade([]));
translation.addEventListener("focusin", (event) => pointed(event) && lookFrom(pointed(event)));
translation.addEventListener("focusout", () => shade([]));
translation.addEventListener("click", (event) => pointed(event) && showOthers(pointed(event)));
translation.addEventListener("keydown", (event) => {
    const all = [...document.querySelectorAll(".word")];
    const place = all.indexOf(event.target);
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -place, End: all.length - 1 - place };
    if (event.key in steps) {
        event.preventDefault();
        const next = all[place + steps[event.key]];
        if (next) {
            all.forEach((word) => (word.tabIndex = word === next ? 0 : -1));
            next.focus();
        }
    } else if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        showOthers(event.target);
    }
});
byId("others").addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
        byId("others").hidden = true;
        document.querySelector(".word[tabindex='0']")?.focus();
    }
});
byId("heads").addEventListener("toggle", () => showHeads());

byId("file").addEventListener("change", (event) => [...event.target.files].forEach(translateFile));
for (const [name, isOver] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    document.addEventListener(name, (event) => {
        if (event.dataTransfer.types.includes("Files")) {
            event.preventDefault();
            document.body.classList.toggle("dragged", isOver);
        }
    });
}
document.addEventListener("drop", (event) => [...event.dataTransfer.files].forEach(translateFile));

start().catch((error) => say(error.message, true));
