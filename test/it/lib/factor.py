# SPDX-License-Identifier: Apache-2.0
"""The second factor, as a user's phone computes it."""
import base64
import hashlib
import hmac
import struct
import time


def totp(secret, at=None):
    """RFC 6238, six digits, 30 s, SHA-1."""
    counter = struct.pack(">Q", int((time.time() if at is None else at) // 30))
    mac = hmac.new(base64.b32decode(secret + "=" * (-len(secret) % 8)), counter, hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at:at + 4], 'big') & 0x7fffffff) % 1000000:06}"
