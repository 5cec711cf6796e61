"""Small PNGs: an image is reduced to the 256 colours that it has most, in the browser that took it."""

import struct
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_REDUCE = """
async (png) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const { width, height } = image;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  for (const one of pixels) counts.set(one, (counts.get(one) ?? 0) + 1);
  const split = (one) => [one & 255, (one >> 8) & 255, (one >> 16) & 255];
  const colours = [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one));
  const palette = colours.slice(0, 256).map(split);
  const distance = (one, other) => one.reduce((sum, part, place) => sum + (part - other[place]) ** 2, 0);
  const nearest = new Map(colours.map((one) => {
    const parts = split(one), distances = palette.map((other) => distance(parts, other));
    return [one, distances.indexOf(Math.min(...distances))];
  }));
  let places = "";
  for (const one of pixels) places += String.fromCharCode(nearest.get(one));
  return { width, height, palette, places: btoa(places) };
}
"""


def reduce_colours(page: "Page", png: bytes) -> bytes:
    """Returns a PNG with a palette of at most 256 colours, in about a third of the bytes.

    `page` is a blank page: that of a site may not allow images of this kind.
    """
    found = page.evaluate(_REDUCE, b64encode(png).decode())
    width, height, places = found["width"], found["height"], b64decode(found["places"])
    lines = b"".join(b"\0" + places[start : start + width] for start in range(0, width * height, width))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", bytes(part for colour in found["palette"] for part in colour)),
            (b"IDAT", zlib.compress(lines, 9)),
            (b"IEND", b""),
        )
    )
