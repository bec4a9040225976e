/** How the lines of a text end; undefined: in different ways. A text of one line counts as "\n". */
export function lineEndOf(text: string): "\n" | "\r\n" | "\r" | undefined {
  const ends = new Set(text.match(/\r\n|\n|\r/g) ?? ["\n"]);
  return ends.size === 1 ? ([...ends][0] as "\n" | "\r\n" | "\r") : undefined;
}

/** The text of a form's field, whose lines end with "\n", with other line ends. */
export function withLineEnd(text: string, end: string): string {
  return text.replaceAll("\n", end);
}
