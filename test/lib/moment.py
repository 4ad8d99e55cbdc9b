# SPDX-License-Identifier: Apache-2.0
"""Times as the API writes them."""
from datetime import datetime


def moment(text):
    """An RFC 3339 time; None for none."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
