import { Code, ConnectError } from "@connectrpc/connect";

/** An error in words for people: the server's text, and its code. */
export function explain(error: unknown): string {
  const known = ConnectError.from(error);
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
