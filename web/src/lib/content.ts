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
  return typeof content === "string" ? content : new TextDecoder().decode(content);
}

/** The content as indented JSON; undefined: it isn't JSON. */
export function jsonOf(content: Content): string | undefined {
  try {
    return JSON.stringify(JSON.parse(textOf(content)), undefined, 2);
  } catch {
    return undefined;
  }
}

/** The best view of a content. */
export function bestView(content: Content): View {
  if (typeof content !== "string") return "hex";
  return /^\s*[[{]/.test(content) && jsonOf(content) !== undefined ? "json" : "text";
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

export function show(content: Content, view: View): string {
  if (view === "hex") return hexDump(content);
  return view === "json" ? (jsonOf(content) ?? "not JSON") : textOf(content);
}
