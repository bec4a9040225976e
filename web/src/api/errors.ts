import { Code, ConnectError } from "@connectrpc/connect";

/** Why the browser has no answer at all. */
const UNREACHED = `nothing answers at ${window.location.host}: Envoy or the network is down`;

/** An error in words for people: the server's text, and its code. */
export function explain(error: unknown): string {
  const known = ConnectError.from(error);
  if (error instanceof TypeError || known.cause instanceof TypeError) return UNREACHED; // fetch's, in no fixed words
  const text = known.rawMessage || "no answer";
  return known.code === Code.Unknown ? text : `${text} (${Code[known.code]})`;
}

/** Whether a key has no value. */
export function isNotFound(error: unknown): boolean {
  return ConnectError.from(error).code === Code.NotFound;
}

/** Whether a write was refused since the key has something else than it requires. */
export function hasChanged(error: unknown): boolean {
  return ConnectError.from(error).code === Code.FailedPrecondition;
}
