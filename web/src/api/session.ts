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

let session: Session = { isAsked: false, trouble: "", hasToken: token() !== "" };

/** The token that is shown; empty: none. */
export function token(): string {
  return window.sessionStorage.getItem(KEPT_AS) ?? "";
}

function become(next: Session): void {
  session = next;
  for (const listener of listeners) listener();
}

/** Show a token from now on. */
export function signIn(given: string): void {
  window.sessionStorage.setItem(KEPT_AS, given);
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
  const shown = token();
  if (shown && !request.header.has("authorization")) request.header.set("authorization", `Bearer ${shown}`);
  try {
    const response = await next(request);
    if (!response.stream) return response;
    return { ...response, message: heeded(response.message, shown) };
  } catch (error) {
    heed(error, shown);
    throw error;
  }
};

async function* heeded<T>(messages: AsyncIterable<T>, shown: string): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    heed(error, shown);
    throw error;
  }
}

/** A late answer to an older token changes nothing. */
function heed(error: unknown, shown: string): void {
  const known = ConnectError.from(error);
  if (known.code !== Code.Unauthenticated || shown !== token()) return;
  if (!session.isAsked) signOut(shown ? known.rawMessage : "");
}
