"use strict";

const CELL = 24;
const LETTER = 14;
const GAP = 220;
// One colour for each head, and the same again for more than eight.
const COLOURS = ["#2563eb", "#d95e0f", "#0d9488", "#9333ea", "#ca8a04", "#db2777", "#4d7c0f", "#64748b"];

const kinds = JSON.parse(document.getElementById("attention").textContent);
const choices = Object.fromEntries(["kind", "layer", "head"].map((name) => [name, document.getElementById(name)]));

/** Makes an element of SVG with these attributes, in `parent`. */
function draw(parent, name, attributes, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) {
        element.setAttribute(key, value);
    }
    if (text !== undefined) {
        element.textContent = text;
    }
    parent.append(element);
    return element;
}

/** Replaces what `id` holds by a picture of this size, and returns the picture. */
function picture(id, width, height) {
    const holder = document.getElementById(id);
    holder.replaceChildren();
    return draw(holder, "svg", { width, height, viewBox: `0 0 ${width} ${height}`, "font-size": LETTER });
}

/** Fills a choice with names, and keeps the old place where there is one. */
function offer(select, names) {
    const place = Math.max(0, Math.min(select.selectedIndex, names.length - 1));
    select.replaceChildren(...names.map((name, index) => new Option(name, index)));
    select.selectedIndex = place;
}

/** The colour of a weight from 0 to 1: from white to a dark blue. */
function shade(weight) {
    const between = (least, most) => Math.round(least + (most - least) * weight);
    return `rgb(${between(255, 8)}, ${between(255, 48)}, ${between(255, 107)})`;
}

/** The heads that are shown: one, or all of a layer. Each has its name, colour and weights. */
function shown() {
    const heads = kinds[choices.kind.value].layers[choices.layer.value];
    const named = heads.map((weights, head) => ({
        name: `head ${head + 1}`,
        colour: COLOURS[head % COLOURS.length],
        weights,
    }));
    const choice = Number(choices.head.value);
    return choice >= 2 ? [named[choice - 2]] : named;
}

/** The mean of the weights of several heads. */
function mean(heads) {
    return heads[0].weights.map((row, query) =>
        row.map((_, key) => heads.reduce((sum, head) => sum + head.weights[query][key], 0) / heads.length),
    );
}

function say(text) {
    document.getElementById("value").textContent = text;
}

/** The width that the longest of these texts takes. */
function widest(texts) {
    const context = document.createElement("canvas").getContext("2d");
    context.font = `${LETTER}px system-ui, sans-serif`;
    return Math.max(0, ...texts.map((text) => context.measureText(text).width)) + LETTER;
}

function drawMap({ queries, keys }, heads) {
    const [left, top] = [widest(queries), widest(keys)];
    const svg = picture("map", left + keys.length * CELL, top + queries.length * CELL);
    const middle = (index) => (index + 0.5) * CELL;
    keys.forEach((key, index) => {
        const [x, y] = [left + middle(index) + LETTER / 3, top - LETTER / 2];
        draw(svg, "text", { x, y, transform: `rotate(-90 ${x} ${y})` }, key);
    });
    queries.forEach((query, index) => {
        const [x, y] = [left - LETTER / 2, top + middle(index) + LETTER / 3];
        draw(svg, "text", { x, y, "text-anchor": "end" }, query);
    });
    mean(heads).forEach((row, query) =>
        row.forEach((weight, key) => {
            const place = { x: left + key * CELL, y: top + query * CELL, width: CELL, height: CELL };
            const cell = draw(svg, "rect", { ...place, class: "cell", fill: shade(weight) });
            cell.addEventListener("pointerenter", () => {
                const of = heads.length > 1 ? heads.map((head) => `${head.name} ${head.weights[query][key].toFixed(3)}`) : [];
                say([`${queries[query]} → ${keys[key]}: ${weight.toFixed(3)}`, ...of].join("  ·  "));
            });
        }),
    );
}

/** The texts on both sides with lines between them, as in the appendix of "Attention Is All You Need". */
function drawLines({ queries, keys }, heads) {
    const [left, right] = [widest(queries), widest(keys)];
    const rows = Math.max(queries.length, keys.length);
    const svg = picture("lines", left + GAP + right, rows * CELL);
    const middle = (index) => (index + 0.5) * CELL;
    const lines = [];
    heads.forEach(({ colour, weights }, head) =>
        weights.forEach((row, query) =>
            row.forEach((weight, key) => {
                if (weight < 0.01) {
                    return;
                }
                // The lines of several heads lie beside each other.
                const shift = (head - (heads.length - 1) / 2) * 2;
                const ends = { x1: left, y1: middle(query) + shift, x2: left + GAP, y2: middle(key) + shift };
                const stroke = { stroke: colour, "stroke-width": 6 * weight, "stroke-opacity": 0.25 + 0.75 * weight };
                lines.push({ query, key, line: draw(svg, "line", { ...ends, ...stroke }) });
            }),
        ),
    );
    const highlight = (name, index) =>
        lines.forEach(({ line, ...place }) => line.classList.toggle("faint", index !== null && place[name] !== index));
    const total = (name, index) => {
        const weights = mean(heads);
        const entries =
            name === "query"
                ? weights[index].map((weight, key) => [keys[key], weight])
                : weights.map((row, query) => [queries[query], row[index]]);
        const best = entries.sort((a, b) => b[1] - a[1]).slice(0, 3);
        return best.map(([text, weight]) => `${text} ${weight.toFixed(3)}`).join("  ·  ");
    };
    const write = (texts, name, x, anchor) =>
        texts.forEach((text, index) => {
            const place = { x, y: middle(index) + LETTER / 3, "text-anchor": anchor, class: name };
            const element = draw(svg, "text", place, text);
            element.addEventListener("pointerenter", () => {
                highlight(name, index);
                say(`${text} ${name === "query" ? "→" : "←"} ${total(name, index)}`);
            });
            element.addEventListener("pointerleave", () => highlight(name, null));
        });
    write(queries, "query", left - LETTER / 2, "end");
    write(keys, "key", left + GAP + LETTER / 2, "start");
}

/** Names the colours of heads. */
function drawLegend(heads) {
    const names = heads.map(({ name, colour }) => {
        const entry = document.createElement("span");
        entry.textContent = name;
        entry.style.color = colour;
        return entry;
    });
    document.getElementById("legend").replaceChildren(...names);
}

/** Draws what is chosen. A change of the kind may change the layers, and that of the layer the heads. */
function show() {
    say("Point at a cell or at a text.");
    const kind = kinds[choices.kind.value];
    offer(choices.layer, kind.layers.map((_, layer) => `${layer + 1}`));
    const heads = kind.layers[choices.layer.value];
    offer(choices.head, ["mean", "all, in colours", ...heads.map((_, head) => `${head + 1}`)]);
    const chosen = shown();
    drawMap(kind, chosen);
    const together = [{ name: "mean", colour: COLOURS[0], weights: mean(chosen) }];
    drawLines(kind, choices.head.value === "0" ? together : chosen);
    drawLegend(choices.head.value === "1" ? chosen : []);
}

offer(choices.kind, kinds.map((kind) => kind.name));
for (const choice of Object.values(choices)) {
    choice.addEventListener("change", show);
}
if (kinds.length > 0) {
    show();
}
