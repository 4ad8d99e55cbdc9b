# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, how wide its page is and in which theme, and what sticks out of the page there."""
import base64
import shutil
import subprocess

THEMES = ("light", "dark")
DESK, PHONE = 1280, 375
HEIGHTS = {DESK: 900, PHONE: 812}
TALLEST = 6000

# Whatever one would have to scroll sideways to see.
STICKS_OUT = """
    const wide = document.documentElement.clientWidth;
    const told = (e, why) => `${e.tagName.toLowerCase()}${e.id && "#" + e.id}${e.className && "." + e.className}: ${why}`;
    const found = document.documentElement.scrollWidth > wide ? [`the page is ${document.documentElement.scrollWidth} wide`] : [];
    for (const e of document.querySelectorAll("body *")) {
        const at = e.getBoundingClientRect();
        if (!e.checkVisibility() || e.closest("thead, .skip, .spoken") || at.width <= 1)
            continue;
        if (at.right > wide + 1 || at.left < -1)
            found.push(told(e, `from ${Math.round(at.left)} to ${Math.round(at.right)} of ${wide}`));
        else if (["DIALOG", "TABLE", "SECTION", "FORM"].includes(e.tagName) && e.scrollWidth > e.clientWidth + 1)
            found.push(told(e, `${e.scrollWidth} in ${e.clientWidth}`));
    }
    return found;
"""
TALL = "return Math.max(document.documentElement.scrollHeight, (document.querySelector('dialog[open]')?.scrollHeight ?? 0) + 60)"


def missing():
    """Why there is no browser here, or None."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "there is no selenium here"
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        return "there is no chromium here"
    return None


def begin(*words):
    """Without words it trusts any certificate."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    options.accept_insecure_certs = (
        not words
    )  # the nodes' own certificates; that clients check them is tested elsewhere
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--window-size={DESK},{HEIGHTS[DESK]}",
        *words,
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(
        service=webdriver.chrome.service.Service(shutil.which("chromedriver"), log_output=subprocess.DEVNULL),
        options=options,
    )
    driver.set_page_load_timeout(30)
    return driver


def wear(driver, theme):
    """None: the browser's own again."""
    features = [{"name": "prefers-color-scheme", "value": theme}] if theme else []
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def widen(driver, wide, tall=None):
    """None: the window's own again."""
    if not wide:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        return
    size = {"width": wide, "height": tall or HEIGHTS[wide], "deviceScaleFactor": 1, "mobile": wide == PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def sticks_out(driver):
    return driver.execute_script(STICKS_OUT)


def shot(driver, wide, theme, whole=True):
    """A PNG of what is before the user; whole: of the page to its end, not of one screen of it."""
    wear(driver, theme)
    widen(driver, wide)
    if whole:
        widen(driver, wide, min(max(HEIGHTS[wide], driver.execute_script(TALL)), TALLEST))
    png = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    widen(driver, None)
    wear(driver, None)
    return base64.b64decode(png)
