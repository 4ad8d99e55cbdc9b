# SPDX-License-Identifier: Apache-2.0
"""The second factor's secret as a QR code: what a camera reads off the screen is what stands beside it."""
from urllib.parse import parse_qs, urlsplit

import pytest
from factor import totp
from page import logged_out
from pair import PASSWORD
from png import brightness
from wait import wait_until


def camera(zbar, element):
    """Every text that is read off it."""
    width, height, grey = brightness(element.screenshot_as_png)
    image = zbar.Image(width, height, "Y800", grey)
    zbar.ImageScanner().scan(image)
    return [symbol.data for symbol in image]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("wide", [1280, 375])
def test_a_phone_reads_the_secret(pair, chrome, theme, wide):
    zbar = pytest.importorskip("zbar")
    chrome.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    )
    chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": wide, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    try:
        page = logged_out(chrome, pair[0].url)
        page.login()
        page.element("user").click()
        page.wait_for("factor")
        page.type("factor-password", PASSWORD)
        page.press("Set it up")
        (read,) = camera(
            zbar, page.wait_for("factor-qr")
        )  # it has come into sight by itself, with the field for the code
        assert chrome.switch_to.active_element.get_attribute("id") == "factor-code"
        secret = page.text("factor-text")
        assert read in page.text("factor-secret") and parse_qs(urlsplit(read).query)["secret"] == [secret]
        page.type("factor-code", "000000" if totp(secret) != "000000" else "000001")
        page.press("Turn it on")
        page.wait("factor-said", "wrong")
        assert page.seen("factor-qr"), "a slip of the finger does not take it away"
        page.press("Log out")
        wait_until("it is gone", lambda: not page.seen("factor-qr"))
        assert page.complaints() == []
    finally:
        chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
