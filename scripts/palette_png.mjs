// palette_png.mjs - makes a screenshot small: of the browser's PNG with 24 bits a pixel one with a palette. Pictures of the page are
// looked at and kept in the repository, where a third of the bytes matters and the last bit of a colour does not. It must never
// change the colour of a surface: the most frequent colours stay exactly as they are.

import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const PALETTE_SIZE = 256;
/** Of two colours that look different, squared: 12 steps of 256 in one channel. */
const DIFFERENT = 144;

/**
 * @param {Buffer} png 8 bits a channel, RGB or RGBA without transparency, not interlaced: what browsers write
 * @returns {Buffer} the same picture with at most 256 colours
 */
export function withPalette(png) {
  const { width, height, channels, rows } = readPixels(png);
  const colourAt = (at) => (rows[at] << 16) | (rows[at + 1] << 8) | rows[at + 2];
  const pixels = width * height;
  const counts = new Map();
  for (let i = 0; i < pixels; i++) {
    const colour = colourAt(i * channels);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const frequent = [...counts].sort((a, b) => b[1] - a[1]).map(([colour]) => colour);
  const palette = choosePalette(frequent);
  const places = new Map(frequent.map((colour) => [colour, nearest(palette, colour).place]));

  const indexed = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      indexed[y * (width + 1) + 1 + x] = places.get(colourAt((y * width + x) * channels));
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(palette.flatMap((c) => [c >> 16, (c >> 8) & 255, c & 255]))),
    chunk("IDAT", deflateSync(indexed, { level: 9, memLevel: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** The most frequent of colours that differ, so that the few pixels of another colour have one too; then the next ones. */
function choosePalette(frequent) {
  const palette = [];
  for (const leastApart of [DIFFERENT, 1])
    for (const colour of frequent) {
      if (palette.length === PALETTE_SIZE) return palette;
      if (nearest(palette, colour).apart >= leastApart) palette.push(colour);
    }
  return palette;
}

function nearest(palette, colour) {
  const [red, green, blue] = [colour >> 16, (colour >> 8) & 255, colour & 255];
  const found = { place: -1, apart: Infinity };
  for (let place = 0; place < palette.length; place++) {
    const other = palette[place];
    const r = (other >> 16) - red;
    const g = ((other >> 8) & 255) - green;
    const b = (other & 255) - blue;
    const apart = r * r + g * g + b * b;
    if (apart < found.apart) [found.place, found.apart] = [place, apart];
  }
  return found;
}

function chunk(type, data) {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(named.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(named, 4);
  framed.writeUInt32BE(crc32(named), named.length + 4);
  return framed;
}

/** Every pixel's channels in their order, without the filters. */
function readPixels(png) {
  let header = null;
  const data = [];
  for (let at = SIGNATURE.length; at < png.length;) {
    const bytes = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + bytes);
    if (type === "IHDR") header = body;
    if (type === "IDAT") data.push(body);
    at += bytes + 12;
  }
  const channels = { 2: 3, 6: 4 }[header?.[9]];
  if (!channels || header[8] !== 8 || header[12] !== 0)
    throw new Error("a screenshot is not a PNG of 8 bits a channel in colour");
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const filtered = inflateSync(Buffer.concat(data));
  const line = width * channels;
  const rows = Buffer.alloc(line * height);
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (line + 1)];
    for (let x = 0; x < line; x++) {
      const at = y * line + x;
      const left = x >= channels ? rows[at - channels] : 0;
      const up = y > 0 ? rows[at - line] : 0;
      const corner = x >= channels && y > 0 ? rows[at - line - channels] : 0;
      rows[at] = filtered[at + y + 1] + guess(filter, left, up, corner);
    }
  }
  return { width, height, channels, rows };
}

function guess(filter, left, up, corner) {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  // Paeth: which of the three is nearest to left + up - corner.
  const [a, b, c] = [
    Math.abs(up - corner),
    Math.abs(left - corner),
    Math.abs(left + up - 2 * corner),
  ];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
