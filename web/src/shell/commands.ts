import { hostOf } from "../lib/format";
import { isReadOnly, toggleReadOnly } from "../lib/read-only";
import { go, PAGES } from "../lib/router";
import { toggleTheme } from "../lib/theme";

export interface Command {
  name: string;
  run: () => void;
}

/** The commands for a text: pages, nodes, the theme; and the text itself as a key or a prefix. */
export function commandsFor(text: string, nodeUrls: readonly string[]): Command[] {
  const fixed: Command[] = [
    ...PAGES.map((page) => ({ name: `Go to ${page.title}`, run: () => go(page.path) })),
    ...nodeUrls.map((url) => ({
      name: `Inspect ${hostOf(url)}`,
      run: () => go("/dashboard/nodes", { node: url }),
    })),
    { name: "Switch between light and dark", run: toggleTheme },
    { name: isReadOnly() ? "Allow changes" : "Make the dashboard read-only", run: toggleReadOnly },
  ];
  const word = text.trim().toLowerCase();
  const found = fixed.filter((command) => command.name.toLowerCase().includes(word));
  if (!text) return found;
  return [
    ...found,
    { name: `Open key ${text}`, run: () => go("/dashboard/data", { key: text }) },
    { name: `Browse keys that begin with ${text}`, run: () => go("/dashboard/data", { prefix: text }) },
  ];
}
