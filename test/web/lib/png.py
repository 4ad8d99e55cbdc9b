# SPDX-License-Identifier: Apache-2.0
"""A screenshot as a camera has it: how bright each point is."""
import struct
import zlib

CHANNELS = {2: 3, 6: 4}  # RGB, RGBA


def paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


GUESSES = [
    lambda a, b, c: 0,
    lambda a, b, c: a,
    lambda a, b, c: b,
    lambda a, b, c: (a + b) // 2,
    paeth,
]


def chunks(png):
    at = 8
    while at < len(png):
        n, kind = struct.unpack(">I4s", png[at : at + 8])
        yield kind, png[at + 8 : at + 8 + n]
        at += 12 + n


def brightness(png):
    """(width, height, a byte a point), of what browsers write: eight bits a channel, not interlaced."""
    found = list(chunks(png))
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", dict(found)[b"IHDR"])
    assert depth == 8 and not interlaced
    step = CHANNELS[colour]
    raw = zlib.decompress(b"".join(data for kind, data in found if kind == b"IDAT"))
    above, grey = bytearray(width * step), bytearray()
    for y in range(height):
        at = y * (width * step + 1)
        guess, line = GUESSES[raw[at]], bytearray(raw[at + 1 : at + 1 + width * step])
        for i in range(len(line)):
            left, corner = (line[i - step], above[i - step]) if i >= step else (0, 0)
            line[i] = (line[i] + guess(left, above[i], corner)) & 255
        grey += bytes(sum(line[x : x + 3]) // 3 for x in range(0, len(line), step))
        above = line
    return width, height, bytes(grey)
