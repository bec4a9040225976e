import { indented, isJson, type Token } from "./json";

/** The value of a key: text, or bytes. */
export type Content = string | Uint8Array;

export const VIEWS = ["text", "json", "hex"] as const;
export type View = (typeof VIEWS)[number];

/** The most bytes that a hex view shows. */
const SHOWN = 16 * 1024;

export function bytesOf(content: Content): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}

export function textOf(content: Content): string {
  return typeof content === "string"
    ? content
    : new TextDecoder("utf-8", { ignoreBOM: true }).decode(content);
}

/** The pieces of the content as indented JSON; undefined: it isn't JSON. */
export function jsonOf(content: Content): Token[] | undefined {
  return typeof content === "string" ? indented(content) : undefined;
}

/** The best view of a content. */
export function bestView(content: Content): View {
  if (typeof content !== "string") return "hex";
  return /^\s*[[{]/.test(content) && isJson(content) ? "json" : "text";
}

export function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** The bytes of pairs of hex digits. Error: the text is something else. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/\s/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error("write bytes as pairs of hex digits");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Lines of offset, sixteen bytes and their ASCII. */
export function hexDump(content: Content): string {
  const bytes = bytesOf(content);
  const lines: string[] = [];
  for (let offset = 0; offset < Math.min(bytes.length, SHOWN); offset += 16) {
    const row = [...bytes.subarray(offset, offset + 16)];
    const hex = toHex(bytes.subarray(offset, offset + 16));
    const ascii = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${offset.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${ascii}`);
  }
  if (bytes.length > SHOWN) lines.push(`… ${bytes.length - SHOWN} bytes more`);
  return lines.join("\n");
}

/** The text of bytes. Error: they aren't UTF-8. */
export function textFrom(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error("these bytes are no text in UTF-8");
  }
}
