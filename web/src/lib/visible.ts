/** A part of foreign text. isStandIn: it stands for a character that can't be seen. */
export interface Part {
  text: string;
  isStandIn: boolean;
}

/** Characters that don't print, except the usual blank and that of Chinese and Japanese. */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]|(?![ \u3000])\p{Zs}/gu;
const LAYOUT = /[\n\t]/;

/** The parts of foreign text, as anybody's keys and values are, by the rule of all faces (limedb/core/visible.py):
 * control characters have their pictures, and all others that can't be seen their numbers. keepsLayout: line feeds
 * and tabs stay. */
export function visible(text: string, keepsLayout = false): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (keepsLayout && LAYOUT.test(found[0])) continue;
    if (found.index > end) parts.push({ text: text.slice(end, found.index), isStandIn: false });
    parts.push({ text: standIn(found[0]), isStandIn: true });
    end = found.index + found[0].length;
  }
  if (end < text.length) parts.push({ text: text.slice(end), isStandIn: false });
  return parts;
}

/** The same as plain text, for places that take nothing else: titles, and names for screen readers. */
export function visibleText(text: string): string {
  return visible(text)
    .map((part) => part.text)
    .join("");
}

function standIn(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "␡";
  return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}
