export type Kind = "name" | "text" | "number" | "word" | "mark" | "space";

/** A piece of JSON, as it stands in the text. */
export interface Token {
  kind: Kind;
  text: string;
}

const SPACE = /[ \t\n\r]+/y;
const TOKEN = /("(?:[^"\\]|\\.)*")|(-?\d[\d.eE+-]*)|(true|false|null)|([{}[\],:])/y;
const INDENT = "  ";

/** The pieces of a JSON text, with other white space between them: everything else is as it was written, digits of
 * numbers, escapes and repeated names too. undefined: it isn't JSON. */
export function indented(text: string): Token[] | undefined {
  if (!isJson(text)) return undefined;
  const tokens: Token[] = [];
  let depth = 0;
  const put = (kind: Kind, part: string) => tokens.push({ kind, text: part });
  const pieces = split(text);
  for (const [index, piece] of pieces.entries()) {
    const before = pieces[index - 1];
    const isEmpty = (piece === "}" && before === "{") || (piece === "]" && before === "[");
    if (piece === "}" || piece === "]") {
      depth -= 1;
      if (!isEmpty) put("space", `\n${INDENT.repeat(depth)}`);
    } else if (before === "{" || before === "[" || before === ",") {
      put("space", `\n${INDENT.repeat(depth)}`);
    }
    put(kindOf(piece, pieces[index + 1]), piece);
    if (piece === "{" || piece === "[") depth += 1;
    if (piece === ":") put("space", " ");
  }
  return tokens;
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function split(text: string): string[] {
  const pieces: string[] = [];
  let at = 0;
  while (at < text.length) {
    SPACE.lastIndex = at;
    const space = SPACE.exec(text);
    if (space) at += space[0].length;
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    if (!token) break;
    pieces.push(token[0]);
    at += token[0].length;
  }
  return pieces;
}

function kindOf(piece: string, next: string | undefined): Kind {
  if (piece.startsWith('"')) return next === ":" ? "name" : "text";
  if ("{}[],:".includes(piece)) return "mark";
  return /^[tfn]/.test(piece) ? "word" : "number";
}
