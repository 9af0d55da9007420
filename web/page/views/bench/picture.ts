// picture.ts: the results as a PNG, drawn with the page's own colours, for who wants to show them.

import { strings } from "../../strings.js";

export interface Bar {
  label: string;
  prompt: number;
  decode: number;
}

const ROW = 74;
const NOTE = 24;

/** `notes`: what was measured and where, a line each. */
export function drawPicture(title: string, notes: string[], bars: Bar[]): Promise<Blob | null> {
  const canvas = document.createElement("canvas");
  canvas.width = 1200;
  const from = 96 + notes.length * NOTE;
  canvas.height = from + bars.length * ROW + 30;
  const pen = canvas.getContext("2d");
  if (!pen) return Promise.resolve(null);
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const write = (text: string, x: number, y: number, size: number, ink: string) => {
    pen.font = `${size}px ${style.fontFamily}`;
    pen.fillStyle = color(ink);
    pen.fillText(text, x, y, 1140 - x);
  };
  pen.fillStyle = color("--paper");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  write(title, 40, 60, 30, "--ink");
  notes.forEach((note, i) => write(note, 40, 92 + i * NOTE, 16, "--quiet"));
  const most = Math.max(...bars.flatMap(({ prompt, decode }) => [prompt, decode]), 1e-9);
  bars.forEach(({ label, prompt, decode }, i) => {
    const y = from + i * ROW;
    write(label, 40, y + 14, 17, "--ink");
    const both = [
      [prompt, "--zero", strings.bench.prompt],
      [decode, "--minus", strings.bench.decode],
    ] as const;
    both.forEach(([speed, ink, name], k) => {
      const top = y + 22 + k * 20;
      pen.fillStyle = color(ink);
      pen.fillRect(40, top, (760 * speed) / most, 15);
      const text = `${name} ${speed.toFixed(1)} ${strings.bench.unit}`;
      write(text, 50 + (760 * speed) / most, top + 13, 15, "--quiet");
    });
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
