import { useSyncExternalStore } from "react";

export const PAGES = [
  { path: "/", title: "Overview" },
  { path: "/dashboard/nodes", title: "Nodes" },
  { path: "/dashboard/data", title: "Data" },
  { path: "/dashboard/seed", title: "Seed data" },
] as const;

const listeners = new Set<() => void>();

function notify(): void {
  for (const listener of listeners) listener();
}

window.addEventListener("popstate", notify);
window.addEventListener("hashchange", notify);

/** Go to a page. facts: what it shows; the address has them after the #. */
export function go(path: string, facts: Record<string, string> = {}): void {
  const hash = new URLSearchParams(Object.entries(facts).filter(([, value]) => value)).toString();
  window.history.pushState(null, "", hash ? `${path}#${hash}` : path);
  notify();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The path and the facts of the address. */
export function useRoute(): { path: string; facts: URLSearchParams } {
  const path = useSyncExternalStore(subscribe, () => window.location.pathname);
  const hash = useSyncExternalStore(subscribe, () => window.location.hash);
  return { path, facts: new URLSearchParams(hash.slice(1)) };
}
