"""The page in headless Chromium: what a person sees and does there."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.common.exceptions import ElementClickInterceptedException, StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.waiting import until

CHROMIUM = "/usr/bin/chromium"
CHROMEDRIVER = "/usr/bin/chromedriver"
LOOK = os.environ.get("BOOKHOPPER_SCREENSHOTS", "")
"""The folder for screenshots, where there is one."""

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--window-size=1360,950",
)
_SCROLLED = """const before = arguments[0].getBoundingClientRect().top;
arguments[0].scrollIntoView({ block: "center", behavior: "instant" });
return Math.abs(arguments[0].getBoundingClientRect().top - before) < 1;"""
_CHECKS = Path(__file__).with_name("checks.js")


class Page:
    """One window; elements are named by CSS selectors, rows by their list and title."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self.expected: tuple[str, ...] = ()
        self._hosts: set[str] = set()

    # the window

    def open(self, url: str, *, live: bool = True) -> None:
        """Go to an address, and wait for the live connection."""
        self._hosts.add(urlsplit(url).netloc.rpartition("@")[2])
        self.driver.get(url)
        if live:
            self.see("#connection-word", "Live")

    def resize(self, width: int, height: int) -> None:
        """Be a telephone, or a wide window."""
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=True
        )

    def scheme(self, name: str) -> None:
        """Prefer a colour scheme: light or dark."""
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def shot(self, name: str) -> None:
        """Take a screenshot, where somebody wants to look at them."""
        if LOOK:
            Path(LOOK).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(LOOK) / f"{name}.png"))

    def run(self, script: str, *arguments: object) -> Any:
        """Run JavaScript and give what it returns."""
        return self.driver.execute_script(script, *arguments)

    def check(self, name: str) -> Any:
        """Run one of the functions of checks.js in the page."""
        return self.run(f"{_CHECKS.read_text(encoding='utf-8')}\nreturn {name}()")

    def accessible(self) -> list[dict[str, Any]]:
        """Give what a screen reader is told: the nodes of the accessibility tree that are not left out."""
        nodes: list[dict[str, Any]] = self._ask("Accessibility.getFullAXTree")["nodes"]
        return [node for node in nodes if not node.get("ignored")]

    def _ask(self, command: str, **arguments: object) -> Any:
        return self.driver.execute_cdp_cmd(command, arguments)

    # seeing

    def find(self, selector: str) -> WebElement:
        """Find what is shown; waits for it."""
        found: list[WebElement] = []

        def look() -> bool:
            elements = self.driver.find_elements(By.CSS_SELECTOR, selector)
            found[:] = [element for element in elements if element.is_displayed()]
            return bool(found)

        self.await_(look, f"{selector} to be shown")
        return found[0]

    def texts(self, selector: str) -> list[str]:
        """Give the texts of all elements, in order."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
        texts: list[str] = self.run(script, selector)
        return [text.replace("\u00a0", " ") for text in texts]

    def see(self, selector: str, text: str) -> None:
        """Wait until an element's text is this."""
        self.await_(lambda: self.texts(selector) == [text], lambda: f"{text!r}, not {self.texts(selector)}")

    def titles(self, name: str) -> list[str]:
        """Give the titles in a list of the page."""
        return self.texts(f"#{name}-list > .row > .main > .heading > .title")

    def see_titles(self, name: str, *titles: str) -> None:
        """Wait until a list holds these titles in this order."""
        self.await_(
            lambda: self.titles(name) == list(titles), lambda: f"{list(titles)}, not {self.titles(name)}"
        )

    def see_notices(self, *lines: str) -> None:
        """Wait until the page's notices are these."""
        self.await_(
            lambda: self.texts(".notice p") == list(lines),
            lambda: f"{list(lines)}, not {self.texts('.notice p')}",
        )

    def row(self, name: str, title: str) -> WebElement:
        """Find a row of a list by its title; waits for it."""
        self.await_(lambda: title in self.titles(name), lambda: f"{title!r} among {self.titles(name)}")
        script = """return [...document.querySelectorAll(arguments[0])].find(
            (row) => row.querySelector(".heading > .title").textContent === arguments[1])"""
        row: WebElement = self.run(script, f"#{name}-list > .row", title)
        return row

    def await_(self, condition: Any, what: Any) -> None:
        """Wait for a condition on the page, which may be redrawn meanwhile."""

        def holds() -> bool:
            try:
                return bool(condition())
            except StaleElementReferenceException:
                return False

        until(holds, what)

    # doing

    def press(self, element: WebElement | str) -> None:
        """Click what is shown, as a person would who has scrolled there and waited for it to come to rest."""
        target = self.find(element) if isinstance(element, str) else element

        def pressed() -> bool:
            if not self.run(_SCROLLED, target):
                return False
            try:
                target.click()
            except ElementClickInterceptedException:  # it moved: what is above it got its real height
                return False
            return True

        self.await_(pressed, "a place to come to rest")

    def act(self, name: str, title: str, action: str) -> None:
        """Press a row's button."""
        self.press(self.row(name, title).find_element(By.CSS_SELECTOR, f"[data-action={action}]"))

    def unfold(self, name: str, title: str) -> None:
        """Open a row's panel."""
        self.press(self.row(name, title).find_element(By.CSS_SELECTOR, ".toggle"))

    def wish(self, *lines: str) -> None:
        """Type wants and send them by keys."""
        box = self.find("#wants")
        for number, line in enumerate(lines):
            box.send_keys(*([Keys.ENTER] if number else []), line)
        box.send_keys(Keys.CONTROL, Keys.ENTER)

    def keys(self, *keys: str) -> None:
        """Press keys together, wherever the focus is."""
        chain = ActionChains(self.driver)
        for key in keys[:-1]:
            chain.key_down(key)
        chain.send_keys(keys[-1])
        for key in keys[:-1]:
            chain.key_up(key)
        chain.perform()

    def focus(self, element: WebElement) -> None:
        """Put the focus somewhere."""
        self.run("arguments[0].focus()", element)

    @property
    def focused(self) -> WebElement:
        """What has the focus."""
        return self.driver.switch_to.active_element

    def drag(self, title: str, goal: str) -> None:
        """Drag a row of the queue by its handle to right before another one."""
        with self.dragging(title, goal):
            pass

    @contextmanager
    def dragging(self, title: str, goal: str) -> Iterator[None]:
        """Hold a row over the place right before another one for the block, then drop it there."""
        grip = self.row("queue", title).find_element(By.CLASS_NAME, "grip")
        other = self.row("queue", goal)
        above = -(other.size["height"] // 2) + 3
        chain = ActionChains(self.driver)
        chain.move_to_element(grip).click_and_hold().move_by_offset(0, -10)
        chain.move_to_element_with_offset(other, 0, above).perform()
        yield
        ActionChains(self.driver).release().perform()

    def drop_file(self, name: str, content: str | bytes) -> None:
        """Drop a file on the page, as from a file manager."""
        data = content.encode() if isinstance(content, str) else content
        self.run(
            """const bytes = Uint8Array.from(atob(arguments[1]), (one) => one.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], arguments[0]));
            for (const type of ["dragenter", "dragover", "drop"]) {
              const event = new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true });
              document.querySelector("main").dispatchEvent(event);
            }""",
            name,
            base64.b64encode(data).decode("ascii"),
        )

    # afterwards

    def complaints(self) -> list[str]:
        """Give what the browser's console says, but for what the test expects."""
        said = [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]
        return [line for line in said if not any(expected in line for expected in self.expected)]

    def strangers(self) -> set[str]:
        """Give the hosts that the page asked for anything, its own ones left out."""
        return {host for host in _asked(self.driver.get_log("performance")) if host not in self._hosts}  # type: ignore[no-untyped-call]


def _asked(entries: Sequence[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        message = json.loads(entry["message"])["message"]
        parameters = message["params"]
        if message["method"] == "Network.requestWillBeSent":
            address = urlsplit(parameters["request"]["url"])
        elif message["method"] == "Network.webSocketCreated":
            address = urlsplit(parameters["url"])
        else:
            continue
        if address.scheme in {"http", "https", "ws", "wss"}:
            yield address.netloc.rpartition("@")[2]


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Run Chromium with a profile of its own for the block."""
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, Service(CHROMEDRIVER))
    try:
        yield Page(driver)
    finally:
        driver.quit()
