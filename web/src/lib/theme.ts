import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const KEPT_AS = "limedb-theme";
const preferred = window.matchMedia("(prefers-color-scheme: light)");
const listeners = new Set<() => void>();

function chosen(): Theme {
  const kept = window.localStorage.getItem(KEPT_AS);
  if (kept === "light" || kept === "dark") return kept;
  return preferred.matches ? "light" : "dark";
}

/** Apply the theme to the page: before it draws anything, and at each change. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = chosen();
  for (const listener of listeners) listener();
}

preferred.addEventListener("change", applyTheme);

export function toggleTheme(): void {
  window.localStorage.setItem(KEPT_AS, chosen() === "dark" ? "light" : "dark");
  applyTheme();
}

export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, chosen);
}
