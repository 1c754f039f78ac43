// What a screen reader and weak eyes need, checked on the page as it stands now. Run inside a function.
const wrong = [];
const told = (element) => `<${element.tagName.toLowerCase()} id="${element.id}" class="${element.className}">`;
const visible = (element) => element.checkVisibility({ checkOpacity: false, checkVisibilityCSS: true });
const all = (selector) => [...document.querySelectorAll(selector)];

// Names
const nameOf = (element) => element.getAttribute("aria-label")
    || (element.getAttribute("aria-labelledby") ?? "").split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim()
    || [...(element.labels ?? [])].map((label) => label.textContent).join(" ").trim();
for (const field of all("input, textarea, select")) if (!nameOf(field)) wrong.push(`no label: ${told(field)}`);
for (const button of all("button, a[href], summary")) {
    if (!nameOf(button) && !button.textContent.trim()) wrong.push(`no name: ${told(button)}`);
}
for (const image of all("img")) if (!image.hasAttribute("alt")) wrong.push(`no alt: ${told(image)}`);
for (const drawing of all("svg")) {
    if (!drawing.hasAttribute("aria-hidden") && !drawing.hasAttribute("aria-label")) wrong.push(`drawing neither hidden nor named: ${told(drawing)}`);
}
for (const group of all("fieldset")) if (!group.querySelector("legend")?.textContent.trim()) wrong.push(`no legend: ${told(group)}`);

// Structure
const ids = all("[id]").map((element) => element.id);
for (const id of new Set(ids)) if (ids.filter((each) => each === id).length > 1) wrong.push(`id twice: ${id}`);
for (const element of all("[for], [aria-labelledby], [aria-describedby], [aria-controls]")) {
    for (const attribute of ["for", "aria-labelledby", "aria-describedby", "aria-controls"]) {
        for (const id of (element.getAttribute(attribute) ?? "").split(/\s+/).filter(Boolean)) {
            if (!ids.includes(id)) wrong.push(`${attribute} names nothing: ${id}`);
        }
    }
}
if (!document.documentElement.lang) wrong.push("no language");
if (!document.title) wrong.push("no title");
if (all("main").length !== 1 || all("h1").length !== 1) wrong.push("not one main and one h1");
let level = 0;
for (const heading of all("h1, h2, h3, h4").filter(visible)) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) wrong.push(`heading jumps from ${level} to ${next}: ${heading.textContent}`);
    level = next;
}
if (all("[role=alert]").length === 0 || all("[aria-live], [role=status]").length === 0) wrong.push("nothing is announced");
for (const element of all("[tabindex]")) if (element.tabIndex > 0) wrong.push(`tabindex above 0: ${told(element)}`);
for (const list of all("ul, ol")) {
    if ([...list.children].some((child) => child.tagName !== "LI")) wrong.push(`not only items in ${told(list)}`);
}
for (const button of all("button, input:not([type=checkbox]):not([type=range]), summary").filter(visible)) {
    const box = button.getBoundingClientRect();
    if (box.height < 24) wrong.push(`too small to hit: ${told(button)} ${box.height}`);
}

// Contrast (WCAG 2.2, 1.4.3): every text on what lies behind it
const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
const parse = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return { rgb: [red, green, blue], alpha: alpha / 255 };
};
const over = (top, below) => top.rgb.map((value, index) => value * top.alpha + below[index] * (1 - top.alpha));
const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) layers.push(parse(getComputedStyle(each).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
};
const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
};
let texts = 0;
const check = (element, colour, size, weight, what) => {
    const behind = ground(element);
    const ratio = contrast(over(parse(colour), behind), behind);
    const large = size >= 24 || (size >= 18.66 && weight >= 700);
    texts += 1;
    if (ratio < (large ? 3 : 4.5)) wrong.push(`contrast ${ratio.toFixed(2)}: ${what} in ${told(element)}`);
};
for (const element of all("body *").filter(visible)) {
    const style = getComputedStyle(element);
    const words = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join("").trim();
    if (words) check(element, style.color, parseFloat(style.fontSize), Number(style.fontWeight), words.slice(0, 30));
    if (element.placeholder) {
        check(element, getComputedStyle(element, "::placeholder").color, parseFloat(style.fontSize), 400, element.placeholder);
    }
    // 1.4.11: the edge of what can be operated
    if (element.matches("button:not(.main):not(.film button):not(.matches button), input:not([type=checkbox]):not([type=range]), textarea")) {
        const ratio = contrast(over(parse(style.borderTopColor), ground(element.parentElement)), ground(element.parentElement));
        if (ratio < 3) wrong.push(`contrast of the edge ${ratio.toFixed(2)}: ${told(element)}`);
    }
}
return { wrong, texts };
