import { useSyncExternalStore } from "react";

export const PAGES = [
  { path: "/", title: "Overview" },
  { path: "/dashboard/nodes", title: "Nodes" },
  { path: "/dashboard/data", title: "Data" },
  { path: "/dashboard/seed", title: "Seed data" },
] as const;

const listeners = new Set<() => void>();
/** Whether the page has something that isn't saved. */
let isDirty = false;
/** Where to go once that may be lost; undefined: nowhere. */
let leaving: (() => void) | undefined;
let shown = window.location.href;

function notify(): void {
  shown = window.location.href;
  for (const listener of listeners) listener();
}

/** Take a step that leaves the page, or ask first. */
function leave(step: () => void): void {
  leaving = isDirty ? step : undefined;
  if (!isDirty) step();
  notify();
}

/** The browser has gone already: go back, and ask. */
function moved(): void {
  const target = window.location.href;
  if (isDirty && target !== shown) {
    window.history.pushState(null, "", shown);
    leave(() => window.history.pushState(null, "", target));
  } else {
    notify();
  }
}

window.addEventListener("popstate", moved);
window.addEventListener("hashchange", moved);
window.addEventListener("beforeunload", (event) => {
  if (isDirty) event.preventDefault();
});

/** Say whether the page has something that isn't saved. */
export function keepDraft(dirty: boolean): void {
  isDirty = dirty;
}

/** Go to a page. facts: what it shows; the address has them after the #. */
export function go(path: string, facts: Record<string, string> = {}): void {
  const hash = new URLSearchParams(Object.entries(facts).filter(([, value]) => value)).toString();
  leave(() => window.history.pushState(null, "", hash ? `${path}#${hash}` : path));
}

/** Change some facts of the address: the page stays, and a reload shows the same. An empty one is left out. */
export function keepFact(name: string, value: string): void {
  const facts = new URLSearchParams(window.location.hash.slice(1));
  if (value) facts.set(name, value);
  else facts.delete(name);
  const hash = facts.toString();
  window.history.replaceState(null, "", hash ? `#${hash}` : window.location.pathname);
  notify();
}

/** A fact of the address, one of some words, and how to change it; the first word is left out of the address. */
export function useWord<T extends string>(name: string, words: readonly [T, ...T[]]): [T, (word: T) => void] {
  const given = useRoute().facts.get(name);
  const word = words.find((one) => one === given) ?? words[0];
  return [word, (next) => keepFact(name, next === words[0] ? "" : next)];
}

/** A fact of the address in any words, and how to change it. */
export function useText(name: string): [string, (text: string) => void] {
  return [useRoute().facts.get(name) ?? "", (text) => keepFact(name, text)];
}

/** The question whether to leave; undefined: there is none. */
export function useLeaving(): { stay: () => void; leave: () => void } | undefined {
  const step = useSyncExternalStore(subscribe, () => leaving);
  if (!step) return undefined;
  const end = (isLeft: boolean) => () => {
    leaving = undefined;
    if (isLeft) {
      isDirty = false;
      step();
    }
    notify();
  };
  return { stay: end(false), leave: end(true) };
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
