import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { useSyncExternalStore } from "react";

/** Where the token is kept: until the tab is closed, and never in a URL or in a cookie. */
const KEPT_AS = "limedb-token";
const listeners = new Set<() => void>();

export interface Session {
  /** Whether nodes ask for a token, and the page has none that they know. */
  isAsked: boolean;
  /** Why they refused the last one; empty: there was none. */
  trouble: string;
  /** Whether the page has a token. */
  hasToken: boolean;
}

let session: Session = { isAsked: false, trouble: "", hasToken: kept() !== "" };

function kept(): string {
  return window.sessionStorage.getItem(KEPT_AS) ?? "";
}

function become(next: Session): void {
  session = next;
  for (const listener of listeners) listener();
}

/** Show a token from now on. */
export function signIn(token: string): void {
  window.sessionStorage.setItem(KEPT_AS, token);
  become({ isAsked: false, trouble: "", hasToken: true });
}

/** Forget the token, and ask for another one. */
export function signOut(trouble = ""): void {
  window.sessionStorage.removeItem(KEPT_AS);
  become({ isAsked: true, trouble, hasToken: false });
}

export function useSession(): Session {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => session,
  );
}

/** Shows the token with each call, and asks for one when a node doesn't know the caller. */
export const showToken: Interceptor = (next) => async (request) => {
  const token = kept();
  if (token && !request.header.has("authorization")) request.header.set("authorization", `Bearer ${token}`);
  try {
    const response = await next(request);
    if (!response.stream) return response;
    return { ...response, message: heeded(response.message, token) };
  } catch (error) {
    heed(error, token);
    throw error;
  }
};

async function* heeded<T>(messages: AsyncIterable<T>, token: string): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    heed(error, token);
    throw error;
  }
}

/** A late answer to an older token changes nothing. */
function heed(error: unknown, token: string): void {
  const known = ConnectError.from(error);
  if (known.code !== Code.Unauthenticated || token !== kept()) return;
  if (!session.isAsked) signOut(token ? known.rawMessage : "");
}
