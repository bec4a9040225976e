import { useSyncExternalStore } from "react";

const KEPT_AS = "limedb-read-only";
const listeners = new Set<() => void>();

/** Whether the dashboard changes nothing, in this browser, until somebody allows it again. */
export function isReadOnly(): boolean {
  return window.localStorage.getItem(KEPT_AS) === "yes";
}

function notify(): void {
  for (const listener of listeners) listener();
}

window.addEventListener("storage", notify); // another tab has switched it

export function toggleReadOnly(): void {
  if (isReadOnly()) window.localStorage.removeItem(KEPT_AS);
  else window.localStorage.setItem(KEPT_AS, "yes");
  notify();
}

export function useReadOnly(): boolean {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, isReadOnly);
}
