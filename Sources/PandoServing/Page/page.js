// The page of `pando serve`: sends a picture or a text to /predict and shows what all tasks answer.
// Whatever comes from the server or from a file's name goes into the page as text, never as markup.
"use strict";

const get = (id) => document.getElementById(id);
const state = {
    about: null, // GET /tasks
    inputs: [], // {name, blob, url} or {name, text}
    shown: 0, // which input the page shows
    answer: null, // POST /predict
    running: null, // AbortController of the request under way
    times: [], // milliseconds of the last answers
    token: sessionStorage.getItem("token") ?? "",
};

// MARK: elements

/** An element with attributes and children; strings become text. `onEvent` keys listen, `--name` keys set CSS variables. */
function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else if (name.startsWith("--")) element.style.setProperty(name, value);
        else if (value === true) element.setAttribute(name, "");
        else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
}

const show = (element, visible) => { element.hidden = !visible; };
const hue = (index) => `hue-${index % 8}`;
const share = (score) => String(Math.min(1, Math.max(0, Number(score) || 0)));
/** Whether a task answers with labels and their probabilities: one of several, or any number of them. */
const isProbability = (kind) => kind !== "regression" && kind !== "retrieval";
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function percent(score, digits = 1) {
    return `${(100 * score).toFixed(digits)} %`;
}

const cost = (level) => percent(level, 0);

/** At most four significant digits, but never fewer than a whole number has. */
function number(value) {
    if (!Number.isFinite(value)) return "no number";
    return Math.abs(value) >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(4)));
}

function milliseconds(value) {
    return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

// MARK: talking to the server

/** What went wrong, in words. */
class Failure extends Error {}

async function request(path, options = {}) {
    const headers = { ...options.headers };
    if (state.token) headers.Authorization = `Bearer ${state.token}`;
    let response;
    try {
        response = await fetch(path, { ...options, headers });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Failure("The server does not answer. Is it still running?");
    }
    if (response.ok) return response;
    if (response.status === 401 || response.status === 403) {
        show(get("access"), true);
        get("token").focus();
        if (!state.token) throw new Failure(""); // the form says it all
    }
    throw new Failure(await explanation(response));
}

async function explanation(response) {
    const body = await response.json().catch(() => ({}));
    const words = typeof body?.error === "string" ? sentence(body.error) : `The server answered ${response.status}.`;
    const wait = Number(response.headers.get("Retry-After"));
    return wait > 0 ? `${words} Try again in ${plural(wait, "second")}.` : words;
}

function sentence(text) {
    return /[.!?]$/.test(text) ? text : `${text}.`;
}

function fail(error) {
    if (error.name === "AbortError") return;
    get("error").textContent = error instanceof Failure ? error.message : `This page failed: ${error.message}`;
    show(get("error"), get("error").textContent !== "");
    if (state.about === null) get("about").textContent = "No answer from the server so far";
}

/** Runs what a button or a key began; an earlier error goes away first. */
async function attempt(work) {
    show(get("error"), false);
    try {
        await work();
    } catch (error) {
        fail(error);
    }
}

// MARK: what the server knows

async function load() {
    state.about = await (await request("tasks")).json();
    const { bundle, tasks, compute, gallery } = state.about;
    document.title = `${bundle.name} · Pando`;
    get("name").textContent = bundle.name;
    get("about").textContent = `${plural(tasks.length, "task")} on one ${bundle.backbone} · version ${bundle.version}`;
    const texts = bundle.reads === "texts";
    show(get("stage"), !texts);
    show(get("writing"), texts);
    show(get("options"), true);
    showTasks(tasks);
    showDial(compute);
    show(get("search"), gallery > 0 && tasks.some((task) => task.kind === "retrieval"));
    showPanels();
    if (gallery > 0 && !texts) await showExamples(gallery);
}

/** Boxes for the tasks that say something of one picture or text; a retrieval task answers searches. */
function showTasks(tasks) {
    get("tasks").replaceChildren(...tasks.flatMap((task, index) => (task.kind === "retrieval" ? [] : make("label", { class: hue(index) },
        make("input", { type: "checkbox", name: "task", value: task.name, checked: true, onchange: changed }), task.name))));
}

const taskBoxes = () => [...get("tasks").querySelectorAll("input")];
const chosenTasks = () => taskBoxes().filter((box) => box.checked).map((box) => box.value);

/** Small copies of pictures of the gallery, spread over all of it. */
async function showExamples(gallery) {
    const count = Math.min(7, gallery);
    const numbers = Array.from({ length: count }, (_, index) => Math.floor((index + 0.5) * gallery / count));
    get("example-list").replaceChildren(...await Promise.all(numbers.map((number) =>
        galleryButton(number, `picture ${number} of the gallery`))));
    show(get("examples"), state.inputs.length === 0);
}

/** A button with a picture of the gallery that asks all tasks about it. Fetched, because <img> sends no token. */
async function galleryButton(number, name) {
    const blob = await (await request(`gallery/${number}`)).blob();
    const image = make("img", { src: URL.createObjectURL(blob), alt: "" });
    return make("button", { type: "button", title: name, "aria-label": `Ask about ${name}`, onclick: () => {
        take([new File([blob], name.split("/").pop(), { type: blob.type })]);
        get("stage").scrollIntoView({ block: "center" });
    } }, image);
}

// MARK: the compute dial

/** The slider steps through the measured levels where there are some, else from minimum to maximum. */
function showDial(compute) {
    const isElastic = compute !== null && compute.minimum < compute.maximum;
    show(get("dial"), isElastic);
    if (!isElastic) return;
    const slider = get("level");
    const levels = steps(compute);
    slider.min = levels ? 0 : compute.minimum;
    slider.max = levels ? levels.length - 1 : compute.maximum;
    slider.step = levels ? 1 : 0.05;
    slider.value = levels ? nearest(levels, compute.current) : compute.current;
    get("fast").textContent = `faster, ${cost(compute.minimum)}`;
    get("full").textContent = `better, ${cost(compute.maximum)}`;
    showLevel();
}

function steps(compute) {
    return compute.levels?.length > 1 ? [...compute.levels].sort((a, b) => a.level - b.level) : null;
}

function nearest(levels, level) {
    const distances = levels.map((entry) => Math.abs(entry.level - level));
    return distances.indexOf(Math.min(...distances));
}

function chosenLevel() {
    const levels = steps(state.about.compute);
    return levels ? levels[get("level").value] : { level: Number(get("level").value) };
}

function showLevel() {
    const { level, milliseconds: time } = chosenLevel();
    const words = time == null ? cost(level) : `${cost(level)}, about ${milliseconds(time)}`;
    get("expected").textContent = words;
    get("level").setAttribute("aria-valuetext", words);
}

// MARK: asking

/** The pictures to ask about from now on. */
function take(files) {
    const pictures = [...files].filter((file) => file.size > 0);
    if (pictures.length === 0) return;
    for (const input of state.inputs) if (input.url) URL.revokeObjectURL(input.url);
    state.inputs = pictures.map((file, index) => ({
        name: file.name || `picture ${index + 1}`, blob: file, url: URL.createObjectURL(file),
    }));
    state.shown = 0;
    state.answer = null;
    showInputs();
    attempt(ask);
}

/** Address, headers and body of the question, and the same for curl. */
function question() {
    const query = [`top=${Number(get("top").value)}`];
    const tasks = chosenTasks();
    if (tasks.length < taskBoxes().length) query.unshift(`tasks=${tasks.map(encodeURIComponent).join(",")}`);
    if (!get("dial").hidden && !get("decide").checked) query.push(`compute=${Math.min(1, chosenLevel().level)}`);
    const path = `predict?${query.join("&")}`;
    const words = ["curl"];
    if (state.token) words.push('-H "Authorization: Bearer $TOKEN"');
    const headers = {};
    let body;
    if (state.inputs[0].text !== undefined) {
        body = state.inputs[0].text;
        headers["Content-Type"] = "text/plain; charset=utf-8";
        words.push("-H 'Content-Type: text/plain'", `--data-raw ${quoted(body)}`);
    } else if (state.inputs.length === 1) {
        body = state.inputs[0].blob;
        headers["Content-Type"] = "application/octet-stream";
        words.push("-H 'Content-Type: application/octet-stream'", `--data-binary ${quoted(`@${state.inputs[0].name}`)}`);
    } else {
        body = new FormData();
        for (const input of state.inputs) {
            body.append("picture", input.blob, input.name);
            words.push(`-F ${quoted(`picture=@"${input.name}"`)}`);
        }
    }
    words.push(quoted(new URL(path, location.href).href));
    return { path, headers, body, curl: words.join(" ") };
}

/** One word of a POSIX shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

async function ask() {
    state.running?.abort();
    if (state.inputs.length === 0) return;
    if (taskBoxes().length > 0 && chosenTasks().length === 0) throw new Failure("Choose at least one task.");
    if (!get("top").checkValidity()) throw new Failure(`Answers per task go from 1 to ${get("top").max}.`);
    const running = state.running = new AbortController();
    const { path, headers, body, curl } = question();
    get("curl").textContent = curl;
    show(get("wire"), true);
    setBusy(true);
    try {
        const begin = performance.now();
        const response = await request(path, { method: "POST", headers, body, signal: running.signal });
        state.answer = await response.json();
        showAnswer(performance.now() - begin);
    } catch (error) {
        if (running === state.running && error.name !== "AbortError") forget();
        throw error;
    } finally {
        if (running === state.running) setBusy(false);
    }
}

function setBusy(busy) {
    get("results").setAttribute("aria-busy", busy);
    get("results").classList.toggle("busy", busy);
}

/** No answer on the page: the last one was to another question. */
function forget() {
    state.answer = null;
    show(get("time"), false);
    get("json").textContent = get("used").textContent = "";
    get("notices").replaceChildren();
    showPrediction();
}

let pause;
/** A choice was changed: ask again, once the hand rests. */
function changed() {
    clearTimeout(pause);
    pause = setTimeout(() => attempt(ask), 150);
}

// MARK: showing

function showInputs() {
    const input = state.inputs[state.shown];
    const several = state.inputs.length > 1;
    show(get("drop"), false);
    show(get("figure"), true);
    show(get("examples"), false);
    show(get("tools"), true);
    show(get("unshown"), false);
    show(get("picture"), true);
    get("picture").src = input.url;
    get("picture").alt = `The picture asked about: ${input.name}`;
    get("caption").textContent = input.name;
    get("film").replaceChildren(...(several ? state.inputs.map((each, index) => make("button", {
        type: "button", "aria-label": each.name, "aria-pressed": String(index === state.shown), onclick: () => {
            state.shown = index;
            showInputs();
            get("film").children[index].focus();
        },
    }, make("img", { src: each.url, alt: "" }))) : []));
    show(get("film"), several);
    showPrediction();
}

function showAnswer(trip) {
    const { compute, milliseconds: times } = state.answer;
    get("json").textContent = JSON.stringify(state.answer, null, 2);
    if (compute && !get("dial").hidden) {
        get("used").textContent = compute.asked == null ? `Used ${cost(compute.level)} of the full cost`
            : `Asked for ${cost(compute.asked)} of the full cost, used ${cost(compute.level)}`;
    }
    get("notices").replaceChildren(...(compute?.notices ?? []).map((notice) => make("li", {}, notice)));
    showTime(times, trip);
    showPrediction();
    get("said").textContent = summary();
}

/** The answers about the input shown: chips over the picture, and one panel per task. */
function showPrediction() {
    const prediction = state.answer?.predictions[state.shown];
    const chips = state.about.tasks.flatMap((task, index) => chipsOf(task, index, prediction?.tasks[task.name]));
    get(state.about.bundle.reads === "texts" ? "text-chips" : "chips").replaceChildren(...chips);
    showPanels(prediction);
}

const isLabels = (answer) => Array.isArray(answer) && answer.length > 0 && typeof answer[0]?.score === "number";
const nameOf = (entry) => String(entry.label ?? entry.image ?? entry.number);

/** The best label; of tags all that are likelier than not, three at most. */
function best(task, answer) {
    if (task.kind === "classification" || task.kind === "retrieval") return answer.slice(0, 1);
    const likely = answer.filter((entry) => entry.score >= 0.5).slice(0, 3);
    return likely.length > 0 ? likely : answer.slice(0, 1);
}

function chipsOf(task, index, answer) {
    const chip = (value, score) => make("li", { class: hue(index) },
        make("small", { class: "cut" }, task.name), make("b", { class: "cut" }, value), ...(score ? [make("span", {}, score)] : []));
    if (typeof answer === "number") return [chip(number(answer))];
    if (!isLabels(answer) || task.kind === "retrieval") return [];
    return best(task, answer).map((entry) => chip(nameOf(entry), percent(entry.score, 0)));
}

function showPanels(prediction) {
    get("panels").replaceChildren(...state.about.tasks.map((task, index) => {
        const answer = prediction?.tasks[task.name];
        const facts = [task.kind];
        if (isProbability(task.kind)) facts.push(plural(task.labels, "label"));
        if (task.metric) facts.push(`${task.metric.name} ${number(task.metric.value)}`);
        return make("article", { class: `card panel ${hue(index)}` },
            make("header", {}, make("h3", {}, task.name), make("p", { class: "quiet" }, facts.join(" · "))),
            panelBody(task, answer, prediction !== undefined));
    }));
}

function panelBody(task, answer, answered) {
    const words = (text) => make("p", { class: "quiet" }, text);
    if (answer === undefined || answer === null) {
        if (task.kind === "retrieval") return words(get("search").hidden ? "gives vectors to programs" : "answers the search below");
        return words(answered ? "not asked" : "no question yet");
    }
    if (typeof answer === "number") return make("p", { class: "value" }, number(answer));
    if (Array.isArray(answer) && answer.length === 0) return words("nothing found");
    if (isLabels(answer)) {
        const probability = isProbability(task.kind);
        return make("ol", { class: "bars" }, ...answer.map((entry) => make("li",
            { class: task.kind !== "classification" && probability && entry.score >= 0.5 ? "sure" : null },
            make("b", {}, nameOf(entry)),
            make("span", {}, probability ? percent(entry.score) : entry.score.toFixed(3)),
            make("i", { "aria-hidden": "true", "--share": share(entry.score) }))));
    }
    if (Array.isArray(answer)) return words(`a vector of ${plural(answer.length, "number")}, in the JSON below`);
    return words(JSON.stringify(answer));
}

/** What a screen reader says when an answer arrives. */
function summary() {
    const prediction = state.answer.predictions[state.shown];
    const parts = state.about.tasks.flatMap((task) => {
        const answer = prediction?.tasks[task.name];
        if (typeof answer === "number") return [`${task.name} ${number(answer)}`];
        if (!isLabels(answer)) return [];
        const labels = best(task, answer).map((entry) =>
            isProbability(task.kind) ? `${nameOf(entry)} ${percent(entry.score, 0)}` : nameOf(entry));
        return [`${task.name}: ${labels.join(", ")}`];
    });
    return `${prediction?.input ?? ""}: ${parts.join("; ")}. ${milliseconds(state.answer.milliseconds.total)}.`;
}

function showTime(times, trip) {
    const { total, ...phases } = times;
    const rest = total - Object.values(phases).reduce((sum, value) => sum + value, 0);
    const known = ["decode", "queue", "backbone", "heads"];
    const place = ([name]) => (known.includes(name) ? known.indexOf(name) : known.length);
    const entries = Object.entries(phases).sort((a, b) => place(a) - place(b));
    if (rest > 0.05) entries.push(["other", rest]);
    get("total").textContent = milliseconds(total);
    get("trip").textContent = `in the server, ${milliseconds(trip)} until here`;
    const look = (name) => `phase ${known.includes(name) ? name : ""}`;
    get("phases").replaceChildren(...entries.map(([name, value]) =>
        make("i", { class: look(name), "--share": String(Math.max(0, value)) })));
    get("legend").replaceChildren(...entries.map(([name, value]) => make("li", {},
        make("i", { class: look(name), "aria-hidden": "true" }), name, make("span", {}, milliseconds(value)))));
    state.times = [...state.times, total].slice(-40);
    showHistory();
    show(get("time"), true);
}

function showHistory() {
    const times = state.times;
    const highest = Math.max(...times);
    show(get("last"), times.length > 1);
    if (times.length < 2) return;
    const points = times.map((time, index) => `${2 + 156 * index / (times.length - 1)},${30 - 26 * time / highest}`);
    get("spark").firstElementChild.setAttribute("points", points.join(" "));
    const median = [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)];
    get("history").textContent = `last ${times.length}: median ${milliseconds(median)}, slowest ${milliseconds(highest)}`;
}

// MARK: search

async function seek() {
    const query = get("query").value.trim();
    get("found").textContent = "Looking …";
    get("matches").replaceChildren();
    try {
        const response = await request("search", {
            method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ query, top: 12 }),
        });
        const { matches } = await response.json();
        get("matches").replaceChildren(...await Promise.all(matches.map(async (match) => make("li", {},
            await galleryButton(match.number, match.image),
            make("p", {}, make("span", { class: "cut", title: match.image }, match.image.split("/").pop()),
                make("span", { class: "quiet" }, match.score.toFixed(2)))))));
        get("found").textContent = matches.length === 0 ? "Nothing found." : `${plural(matches.length, "picture")} for “${query}”; press one to ask about it.`;
    } catch (error) {
        get("found").textContent = "";
        throw error;
    }
}

// MARK: copying

async function copy() {
    if (navigator.clipboard) await navigator.clipboard.writeText(get("curl").textContent);
    else { // a page that came over plain HTTP from another machine
        getSelection().selectAllChildren(get("curl"));
        document.execCommand("copy");
    }
    get("copy").textContent = "Copied";
    get("said").textContent = "Copied";
    setTimeout(() => { get("copy").textContent = "Copy"; }, 1500);
}

// MARK: events

const reads = (kind) => state.about?.bundle.reads === kind;
const choose = () => get("files").click();

get("drop").addEventListener("click", choose);
get("another").addEventListener("click", choose);
get("again").addEventListener("click", () => attempt(ask));
get("files").addEventListener("change", () => {
    take(get("files").files);
    get("files").value = "";
});
get("picture").addEventListener("error", () => {
    show(get("picture"), false);
    show(get("unshown"), true);
});
get("top").addEventListener("change", changed);
get("level").addEventListener("input", () => {
    get("decide").checked = false;
    showLevel();
    changed();
});
get("decide").addEventListener("change", changed);
get("options").addEventListener("submit", (event) => {
    event.preventDefault();
    changed();
});
get("writing").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = get("text").value;
    attempt(() => {
        if (text.trim() === "") throw new Failure("Type a text first.");
        state.inputs = [{ name: "text", text }];
        state.shown = 0;
        return ask();
    });
});
get("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) get("writing").requestSubmit();
});
get("seek").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(seek);
});
get("copy").addEventListener("click", () => attempt(copy));
get("access").addEventListener("submit", (event) => {
    event.preventDefault();
    state.token = get("token").value.trim();
    sessionStorage.setItem("token", state.token);
    show(get("access"), false);
    attempt(() => (state.about ? ask() : load()));
});
document.addEventListener("paste", (event) => {
    if (reads("pictures") && event.clipboardData.files.length > 0) {
        event.preventDefault();
        take(event.clipboardData.files);
    }
});
for (const kind of ["dragover", "drop", "dragleave"]) {
    document.addEventListener(kind, (event) => {
        if (!reads("pictures") || !event.dataTransfer.types.includes("Files")) return;
        event.preventDefault();
        get("stage").classList.toggle("over", kind === "dragover");
        if (kind === "drop") take(event.dataTransfer.files);
    });
}
attempt(load);
