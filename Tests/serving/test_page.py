"""The page at `/`, driven in headless Chromium."""

import json
import pathlib
import re
import shutil
import subprocess
import time

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from conftest import fetch, has_labels

AUDIT = (pathlib.Path(__file__).parent / "audit.js").read_text()
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="module")
def chromium():
    assert CHROMIUM and DRIVER, "no chromium or chromedriver here (Debian: chromium, chromium-driver)"
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     "--disable-background-networking", "--disable-component-update", "--no-first-run"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    browser.set_page_load_timeout(20)
    browser.set_script_timeout(20)
    yield browser
    browser.quit()


class Page:
    """The page in a browser, with the words of these tests."""

    def __init__(self, browser, url):
        self.browser, self.url = browser, url

    def open(self):
        self.browser.get(self.url + "/")
        self.wait(lambda: self.get("options").is_displayed(), "what the server knows")
        return self

    def wait(self, condition, what, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds} s for {what}; the page says: {self.error()!r}"
            time.sleep(0.03)

    def get(self, identifier):
        return self.browser.find_element(By.ID, identifier)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def tell(self, command, **parameters):
        return self.browser.execute_cdp_cmd(command, parameters)

    def text(self, identifier):
        return self.run("return document.getElementById(arguments[0]).textContent", identifier)

    def error(self):
        return self.run("const e = document.getElementById('error'); return e && !e.hidden ? e.textContent : ''")

    def size(self, width, height=900):
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 500)

    def media(self, **features):
        self.tell("Emulation.setEmulatedMedia", features=[
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    def answer(self):
        """The answer that the page shows as JSON, or None."""
        text = self.text("json")
        return json.loads(text) if text else None

    def ask(self, act, what):
        """Acts, then waits for the next answer."""
        self.run("document.getElementById('json').textContent = ''")
        act()
        self.wait(lambda: self.text("json") != "" and self.get("results").get_attribute("aria-busy") == "false", what)
        return self.answer()

    def choose(self, *paths):
        return self.ask(lambda: self.get("files").send_keys("\n".join(map(str, paths))), "the answer")


@pytest.fixture
def page(chromium, url, about):
    page = Page(chromium, url)
    page.size(1280)
    page.media(prefers_color_scheme="light", prefers_reduced_motion="no-preference")
    chromium.get_log("performance"), chromium.get_log("browser")
    return page.open()


@pytest.fixture
def pretending(chromium, url):
    """Opens the page with answers of our own to some paths: {path: {status, headers, json}}."""
    scripts = []

    def begin(answers):
        source = """(() => {
            const answers = %s, real = window.fetch;
            window.asked = [];
            window.fetch = async (path, options) => {
                window.asked.push({ path, headers: options?.headers ?? {} });
                const found = Object.entries(answers).find(([key]) => String(path).startsWith(key));
                if (!found) return real(path, options);
                const entry = Array.isArray(found[1]) ? (found[1].length > 1 ? found[1].shift() : found[1][0]) : found[1];
                return new Response(JSON.stringify(entry.json), { status: entry.status ?? 200, headers: entry.headers });
            };
        })()""" % json.dumps(answers)
        scripts.append(page.tell("Page.addScriptToEvaluateOnNewDocument", source=source)["identifier"])
        chromium.get(url + "/")
        return page

    page = Page(chromium, url)
    page.size(1280)
    yield begin
    for identifier in scripts:
        page.tell("Page.removeScriptToEvaluateOnNewDocument", identifier=identifier)
    chromium.execute_script("sessionStorage.clear()")


def test_its_files_come_with_a_strict_policy(url):
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")):
        status, headers, body = fetch(url + path)
        assert status == 200 and body, f"GET {path} answered {status}"
        assert headers.get_content_type() == kind, f"GET {path} is {headers.get_content_type()}"
    policy = dict(part.split(None, 1) for part in fetch(url + "/")[1]["Content-Security-Policy"].split(";") if part.strip())
    assert policy.get("default-src", "").strip() in ("'none'", "'self'")
    scripts = policy.get("script-src", policy["default-src"])
    assert "unsafe" not in scripts and "*" not in scripts
    assert "frame-ancestors" in policy and "base-uri" in policy


def test_a_chosen_picture_is_shown_with_the_answers_of_all_tasks(page, about, picture_paths):
    answer = page.choose(picture_paths[0])
    assert page.get("picture").is_displayed() and page.run("return document.images.picture.naturalWidth > 0")
    assert picture_paths[0].name in page.get("picture").get_attribute("alt")
    assert page.error() == ""
    tasks = answer["predictions"][0]["tasks"]
    panels = {panel.find_element(By.TAG_NAME, "h3").text: panel for panel in page.all(".panel")}
    assert list(panels) == [task["name"] for task in about["tasks"]]
    chips = page.get("chips").text
    for task in about["tasks"]:
        given, panel = tasks.get(task["name"]), panels[task["name"]]
        if has_labels(task):
            rows = panel.find_elements(By.CSS_SELECTOR, ".bars li")
            assert [row.find_element(By.TAG_NAME, "b").text for row in rows] == [
                " ".join(entry["label"].split()) for entry in given]
            assert rows[0].find_element(By.TAG_NAME, "span").text == f"{100 * given[0]['score']:.1f} %"
            width = page.run("return [arguments[0].clientWidth, parseFloat(getComputedStyle(arguments[0], '::before').width)]",
                             rows[0].find_element(By.TAG_NAME, "i"))
            page.wait(lambda: abs(page.run("return parseFloat(getComputedStyle(arguments[0], '::before').width)",
                      rows[0].find_element(By.TAG_NAME, "i")) / width[0] - given[0]["score"]) < 0.02, "the bar's length")
            assert task["name"] in chips
        elif task["kind"] == "retrieval":
            assert panel.text.count("\n") >= 2, "a panel that says nothing"
        else:
            shown = float(panel.find_element(By.CLASS_NAME, "value").text)
            assert shown == pytest.approx(given, rel=1e-3, abs=0.5 if abs(given) >= 1000 else 1e-3)
            assert task["name"] in chips
    assert page.text("said").strip() != "", "nothing is said to screen readers"
    assert page.text("total").endswith(" ms")
    legend = page.text("legend")
    assert all(phase in legend for phase in ("decode", "queue", "backbone", "heads"))
    panels_colour = {page.run("return getComputedStyle(arguments[0].querySelector('h3')).color", panel)
                     for panel in list(panels.values())[:8]}
    assert len(panels_colour) == min(8, len(panels)), "two tasks have one colour"


def test_a_picture_can_be_dropped_or_pasted(page):
    make = """
        const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 64 });
        const context = canvas.getContext('2d');
        context.fillStyle = '#c02020'; context.fillRect(8, 8, 40, 40);
        const done = arguments[arguments.length - 1];
        canvas.toBlob((blob) => {
            const data = new DataTransfer();
            data.items.add(new File([blob], 'given.png', { type: 'image/png' }));
            %s;
            done(event.defaultPrevented);
        })"""
    drop = "const event = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }); " \
           "document.getElementById('drop').dispatchEvent(event)"
    paste = "const event = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }); " \
            "document.body.dispatchEvent(event)"
    for act in (drop, paste):
        answer = page.ask(lambda: page.browser.execute_async_script(make % act), "the answer to a picture given by hand")
        assert len(answer["predictions"]) == 1
        assert page.text("caption") == "given.png"


def test_several_pictures_are_asked_about_at_once(page, picture_paths, tmp_path):
    paths = []
    for index in range(3):
        paths.append(tmp_path / f"copy {index}'s; \"name\".png".replace('"', "'"))
        paths[-1].write_bytes(picture_paths[index % len(picture_paths)].read_bytes())
    answer = page.choose(*paths)
    assert [prediction["input"] for prediction in answer["predictions"]] == [path.name for path in paths]
    buttons = page.all("#film button")
    assert len(buttons) == 3
    buttons[2].click()
    assert page.text("caption") == paths[2].name
    assert [button.get_attribute("aria-pressed") for button in page.all("#film button")] == ["false", "false", "true"]


def test_choices_change_the_question(page, about, picture_paths):
    page.choose(picture_paths[0])
    page.get("top").clear()
    answer = page.ask(lambda: page.get("top").send_keys("1", Keys.TAB), "the answer with top 1")
    for task in about["tasks"]:
        given = answer["predictions"][0]["tasks"].get(task["name"])
        assert not isinstance(given, list) or task["kind"] == "retrieval" or len(given) == 1
    assert "top=1" in page.text("curl")
    asked = [task["name"] for task in about["tasks"] if task["kind"] != "retrieval"]
    assert [box.get_attribute("value") for box in page.all("#tasks input")] == asked
    if len(asked) == 1:
        return
    answer = page.ask(page.all("#tasks input")[0].click, "the answer without the first task")
    assert sorted(answer["predictions"][0]["tasks"]) == sorted(asked[1:])
    assert page.text("panels").count("not asked") == 1
    for box in page.all("#tasks input")[1:]:
        box.click()
    page.wait(lambda: "task" in page.error(), "an error without tasks")


def test_the_compute_dial(page, about, picture_paths):
    elastic = about["compute"] is not None and about["compute"]["minimum"] < about["compute"]["maximum"]
    assert page.get("dial").is_displayed() == elastic
    if not elastic:
        return
    page.choose(picture_paths[0])
    assert "compute=" not in page.text("curl")
    slider = page.get("level")
    answer = page.ask(lambda: slider.send_keys(Keys.HOME), "the answer at the lowest level")
    assert not page.get("decide").is_selected()
    assert answer["compute"]["asked"] == pytest.approx(about["compute"]["minimum"], rel=1e-3)
    sent = float(re.search(r"compute=([\d.]+)", page.text("curl")).group(1))
    assert sent == pytest.approx(about["compute"]["minimum"])
    assert page.text("used").startswith("Asked for ")
    assert page.text("expected") == slider.get_attribute("aria-valuetext")
    if about["compute"]["levels"]:
        assert page.text("expected").endswith(" ms")
    answer = page.ask(lambda: slider.send_keys(Keys.END), "the answer at the highest level")
    assert answer["compute"]["asked"] == pytest.approx(min(1, about["compute"]["maximum"]), rel=1e-3)
    page.ask(page.get("decide").click, "the answer at the server's level")
    assert "compute=" not in page.text("curl")


def test_the_curl_line_gives_the_same_answer(page, picture_paths):
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    answer = page.choose(picture_paths[0])
    result = subprocess.run(["sh", "-c", page.text("curl") + " -sS --fail-with-body"], cwd=picture_paths[0].parent,
                            capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stdout + result.stderr
    same = json.loads(result.stdout)["predictions"][0]["tasks"]
    assert same.keys() == answer["predictions"][0]["tasks"].keys()
    for name, given in answer["predictions"][0]["tasks"].items():
        if isinstance(given, list) and given and isinstance(given[0], dict):
            assert [entry.get("label") for entry in same[name]][:1] == [entry.get("label") for entry in given][:1]


def test_times_gather(page, picture_paths):
    page.choose(picture_paths[0])
    assert not page.get("last").is_displayed()
    for _ in range(3):
        page.ask(page.get("again").click, "another answer")
    assert page.text("history").startswith("last 4: median ")
    points = page.run("return document.querySelector('#spark polyline').getAttribute('points')").split()
    assert len(points) == 4


def test_errors_are_said_in_words(page, picture_paths, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n this is no picture")
    page.get("files").send_keys(str(broken))
    page.wait(lambda: page.error() != "", "an error about a broken picture")
    assert page.get("error").get_attribute("role") == "alert"
    assert "{" not in page.error() and len(page.error()) > 15
    assert page.get("unshown").is_displayed()
    page.choose(picture_paths[0])
    assert page.error() == "" and page.get("picture").is_displayed()
    page.tell("Network.enable")
    page.tell("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    try:
        page.get("again").click()
        page.wait(lambda: "does not answer" in page.error(), "an error about a server that is gone")
    finally:
        page.tell("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1,
                  uploadThroughput=-1)
    assert "no question yet" in page.text("panels"), "an old answer stays beside an error"


def test_a_busy_server_says_when_to_come_back(pretending, picture_paths):
    page = pretending({"predict": {"status": 429, "headers": {"Retry-After": "2"}, "json": {"error": "The queue is full"}}})
    page.wait(lambda: page.get("options").is_displayed(), "what the server knows")
    page.get("files").send_keys(str(picture_paths[0]))
    page.wait(lambda: page.error() != "", "an error")
    assert page.error() == "The queue is full. Try again in 2 seconds."


def test_a_token_is_asked_for_and_sent(pretending, about):
    page = pretending({"tasks": [{"status": 401, "json": {"error": "A token is needed"}}, {"json": about}]})
    page.wait(lambda: page.get("access").is_displayed(), "the field for the token")
    assert page.error() == ""
    assert page.run("return document.activeElement.id") == "token"
    page.get("token").send_keys("open sesame", Keys.ENTER)
    page.wait(lambda: page.get("options").is_displayed(), "what the server knows")
    assert not page.get("access").is_displayed()
    assert page.run("return window.asked.filter((each) => each.path === 'tasks').map((each) => each.headers.Authorization)") == [
        None, "Bearer open sesame"]


EVIL = "<img src=x onerror='window.broken=1'><script>window.broken=1</script>\"><b>&amp;"


def test_texts_from_outside_are_never_markup(pretending, picture_paths, tmp_path):
    tasks = [{"name": EVIL, "kind": "classification", "labels": 2, "metric": {"name": EVIL, "value": 0.5}},
             {"name": "tags " + EVIL, "kind": "multilabel", "labels": 2, "metric": None},
             {"name": "number", "kind": "regression", "labels": 1, "metric": None},
             {"name": "title", "kind": "retrieval", "labels": 1, "metric": None}]
    about = {"bundle": {"name": EVIL, "version": EVIL, "backbone": EVIL, "reads": "pictures"}, "tasks": tasks,
             "compute": {"minimum": 0.5, "maximum": 1, "current": 1, "levels": []}, "gallery": 3}
    labels = [{"label": EVIL, "score": 0.9}, {"label": "x" * 400, "score": 0.8}]
    answer = {"id": EVIL, "bundle": EVIL, "version": EVIL,
              "compute": {"level": 1, "asked": None, "notices": [EVIL]},
              "milliseconds": {"decode": 1, EVIL: 2, "total": 3.5},
              "predictions": [{"input": EVIL, "tasks": {tasks[0]["name"]: labels, tasks[1]["name"]: labels,
                                                        "number": -0.00012345, "title": [0.1, 0.2]}}]}
    matches = [{"number": 1, "image": EVIL, "score": 0.5}]
    page = pretending({"tasks": {"json": about}, "predict": {"json": answer}, "gallery": {"json": {}},
                       "search": {"json": {"query": EVIL, "matches": matches}}})
    page.wait(lambda: page.get("search").is_displayed(), "the search")
    named = tmp_path / "<img src=x onerror=broken=1>.png"
    named.write_bytes(picture_paths[0].read_bytes())
    page.choose(named)
    page.get("query").send_keys(EVIL, Keys.ENTER)
    page.wait(lambda: len(page.all("#matches li")) == 1, "the matches")
    for identifier in ("panels", "chips", "tasks", "legend", "notices", "matches", "about", "name"):
        assert EVIL.split("/")[-1] in page.text(identifier), f"#{identifier} lacks the text"
    assert "-0.0001234" in page.text("panels")
    assert page.run("return window.broken === undefined")
    assert page.run("return document.querySelectorAll('img[src=x], main script').length") == 0
    page.size(360)
    assert page.run("return document.documentElement.scrollWidth") <= 360
    assert page.run("return Math.max(...[...document.querySelectorAll('#figure img, .chips li, .panel')].map((e) => "
                    "e.getBoundingClientRect().right))") <= 360


def test_texts_are_asked_about_where_the_bundle_reads_them(pretending):
    about = {"bundle": {"name": "reviews", "version": "1", "backbone": "all-MiniLM-L6-v2", "reads": "texts"},
             "tasks": [{"name": "mood", "kind": "classification", "labels": 2, "metric": None}],
             "compute": None, "gallery": 0}
    answer = {"id": "1", "bundle": "reviews", "version": "1", "compute": {"level": 1, "asked": None, "notices": []},
              "milliseconds": {"decode": 0, "queue": 0, "backbone": 5, "heads": 0, "total": 5},
              "predictions": [{"input": "it's fine", "tasks": {"mood": [{"label": "good", "score": 0.9}]}}]}
    page = pretending({"tasks": {"json": about}, "predict": {"json": answer}})
    page.wait(lambda: page.get("writing").is_displayed(), "the field for a text")
    assert not page.get("stage").is_displayed() and not page.get("dial").is_displayed()
    assert not page.get("search").is_displayed()
    page.get("text").send_keys("it's fine")
    page.ask(lambda: page.get("text").send_keys(Keys.CONTROL, Keys.ENTER), "the answer")
    assert "good" in page.text("text-chips") and "good" in page.text("panels")
    assert "--data-raw 'it'\\''s fine'" in page.text("curl")


def test_the_gallery_is_searched(page, about):
    searchable = about["gallery"] > 0 and any(task["kind"] == "retrieval" for task in about["tasks"])
    assert page.get("search").is_displayed() == searchable
    if not searchable:
        return
    page.get("query").send_keys("a red thing", Keys.ENTER)
    page.wait(lambda: len(page.all("#matches li")) > 0, "the matches")
    page.wait(lambda: page.run("return [...document.querySelectorAll('#matches img')].every((i) => i.naturalWidth > 0)"),
              "the thumbnails")
    assert "picture" in page.text("found")
    page.ask(page.all("#matches button")[0].click, "the answer about a match")
    assert page.get("picture").is_displayed()


def test_the_keyboard_reaches_everything(page, picture_paths):
    page.run("""window.opened = 0;
        document.getElementById('files').addEventListener('click', (event) => { event.preventDefault(); window.opened++; })""")

    def press(*keys):
        ActionChains(page.browser).send_keys(*keys).perform()

    def focused():
        return page.run("return document.activeElement.id")

    press(Keys.TAB)
    assert page.run("return document.activeElement.className") == "skip"
    for _ in range(10):
        if focused() == "drop":
            break
        press(Keys.TAB)
    assert focused() == "drop", "Tab does not reach the place for pictures"
    press(Keys.ENTER)
    press(Keys.SPACE)
    assert page.run("return window.opened") == 2, "Enter and Space do not open the choice of files"
    page.choose(picture_paths[0])
    page.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    seen = []
    for _ in range(80):
        press(Keys.TAB)
        state = page.run("""const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
            if (e === document.body) return null;
            const own = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
            return { name: e.id || e.value || e.textContent.trim() || e.getAttribute('aria-label'), visible: own,
                     inside: box.width > 0 && box.bottom > 0 && box.top < innerHeight };""")
        if state is None:
            break
        assert state["visible"], f"the focus on {state['name']} cannot be seen"
        assert state["inside"], f"{state['name']} has the focus outside of the window"
        seen.append(state["name"])
    else:
        pytest.fail("Tab never leaves the page")
    assert len(seen) == len(set(seen)), f"Tab comes to something twice: {seen}"
    for wanted in ("another", "again", "top", "curl", "copy"):
        assert wanted in seen, f"Tab does not reach {wanted}; it reaches {seen}"
    assert seen.index("another") < seen.index("top") < seen.index("curl")
    if len(page.all("#tasks input")) > 1:
        page.run("document.querySelector('#tasks input').focus()")
        page.ask(lambda: press(Keys.SPACE), "the answer after Space on a task")
        assert not page.all("#tasks input")[0].is_selected()


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_no_width_needs_sideways_scrolling(page, picture_paths, width):
    page.size(width, 740)
    assert page.run("return document.documentElement.scrollWidth") <= width, "before a picture"
    page.choose(picture_paths[0])
    page.run("document.querySelector('details').open = true")
    wide = page.run("""return [...document.querySelectorAll('main *')].filter((e) => e.checkVisibility()
        && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.film, pre, svg, .unseen')).map((e) => e.outerHTML.slice(0, 80))""")
    assert page.run("return document.documentElement.scrollWidth") <= width, f"with answers; too wide: {wide[:3]}"
    assert wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_and_heard(page, picture_paths, scheme):
    page.media(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    before = page.run(AUDIT)
    page.choose(picture_paths[0])
    page.run("document.querySelector('details').open = true")
    after = page.run(AUDIT)
    assert before["texts"] > 10 and after["texts"] > before["texts"], "the audit saw next to nothing"
    assert before["wrong"] + after["wrong"] == []
    dark = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, dark[4:-1].split(","))) < 200) == (scheme == "dark"), f"{scheme} ground is {dark}"
    assert page.run("return getComputedStyle(document.querySelector('.bars i') ?? document.body, '::before').transitionDuration") in ("0s", "")


def test_it_asks_no_other_host_and_logs_no_error(page, url, picture_paths):
    page.choose(picture_paths[0])
    page.wait(lambda: page.run("return document.readyState") == "complete", "the page")
    time.sleep(0.2)
    messages = [json.loads(entry["message"])["message"] for entry in page.browser.get_log("performance")]
    asked = [message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    assert any(each.endswith("/page.js") for each in asked), "the log of requests is empty"
    strange = [each for each in asked if not each.startswith((url + "/", "blob:", "data:"))]
    assert strange == []
    bad = [entry["message"] for entry in page.browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert bad == []
