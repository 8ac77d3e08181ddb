"""A headless Chromium, driven through chromedriver by the W3C WebDriver protocol.

Both are Debian packages. There is no other dependency: commands are JSON over HTTP
(https://www.w3.org/TR/webdriver2/).
"""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

import pytest

_NEEDED = ("chromium", "chromedriver")
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-device-scale-factor=1",
    "--force-color-profile=srgb",
)
# The protocol's key for a reference to an element.
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
# The protocol's codes of keys.
KEYS = {
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Enter": "\ue007",
    "Space": " ",
    "Tab": "\ue004",
    "End": "\ue010",
    "Home": "\ue011",
    "PageDown": "\ue00f",
    "PageUp": "\ue00e",
}


@contextlib.contextmanager
def open_browser():
    """Starts a browser with an empty profile; ends it, whatever happens.

    Yields:
        `Browser`. If none is installed, the test is skipped with a message.
    """
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(
            f"{' and '.join(missing)} not found: the page is NOT tested in a browser. "
            "Try apt-get install chromium chromium-driver."
        )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        driver = subprocess.Popen(
            [shutil.which("chromedriver"), "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            started = (re.search(r"port (\d+)\.", line) for line in driver.stdout)
            port = int(next(match for match in started if match).group(1))
            browser = Browser(f"http://127.0.0.1:{port}", profile)
            try:
                yield browser
            finally:
                browser.close()
        finally:
            driver.terminate()
            driver.wait()
            driver.stdout.close()


class Browser:
    """One window. Places are CSS pixels of the viewport."""

    def __init__(self, driver, profile):
        self._url = driver
        options = {
            "binary": shutil.which("chromium"),
            "args": [*_ARGUMENTS, f"--user-data-dir={profile}"],
        }
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        session = self._ask("POST", "/session", capabilities={"alwaysMatch": wanted})
        self._url += f"/session/{session['sessionId']}"

    def open(self, path):
        """Opens a file."""
        self._ask("POST", "/url", url=path.resolve().as_uri())

    def script(self, text, *arguments):
        """Runs the body of a function; returns its result."""
        return self._ask("POST", "/execute/sync", script=text, args=list(arguments))

    def text(self, selector):
        """Returns the text of an element as a person sees it."""
        element = self._ask("POST", "/element", using="css selector", value=selector)
        return self._ask("GET", f"/element/{element[_ELEMENT]}/text")

    def resize(self, width, height, is_phone=False):
        """Sets the size of the viewport."""
        self._develop(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=is_phone,
        )
        self._develop("Emulation.setTouchEmulationEnabled", enabled=is_phone)

    def point(self, *places, press=False, kind="mouse"):
        """Moves the pointer from place to place; it may be pressed from the first on.

        Args:
            places: (x, y).
            press: bool, whether it is down on the way and released at the end.
            kind: `"mouse"` or `"touch"`.
        """
        steps = [
            {"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)}
            for x, y in places
        ]
        if press:
            steps.insert(1, {"type": "pointerDown", "button": 0})
            steps.append({"type": "pointerUp", "button": 0})
        pointer = {"type": "pointer", "id": kind, "actions": steps}
        pointer["parameters"] = {"pointerType": kind}
        self._ask("POST", "/actions", actions=[pointer])

    def press(self, *names):
        """Presses keys, one after the other."""
        steps = [
            {"type": kind, "value": KEYS[name]}
            for name in names
            for kind in ("keyDown", "keyUp")
        ]
        self._ask(
            "POST", "/actions", actions=[{"type": "key", "id": "k", "actions": steps}]
        )

    def prefer(self, colours):
        """Sets the colors that a person prefers: `"dark"` or `"light"`."""
        feature = {"name": "prefers-color-scheme", "value": colours}
        self._develop("Emulation.setEmulatedMedia", features=[feature])

    def errors(self):
        """Returns the errors on the page since the last call."""
        entries = self._ask("POST", "/se/log", type="browser")
        return [each["message"] for each in entries if each["level"] == "SEVERE"]

    def screenshot(self, path):
        """Writes the visible page as PNG."""
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def close(self):
        """Ends the browser."""
        self._ask("DELETE", "")

    def _develop(self, command, **parameters):
        self._ask("POST", "/goog/cdp/execute", cmd=command, params=parameters)

    def _ask(self, method, path, **body):
        request = urllib.request.Request(
            self._url + path,
            data=json.dumps(body).encode() if method == "POST" else None,
            headers={"Content-Type": "application/json"},
            method=method,
        )
        # Never through a proxy, which could not reach this machine's loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise RuntimeError(f"{value['error']}: {value['message']}") from error
