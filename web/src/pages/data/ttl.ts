/** The milliseconds of a TTL in seconds; 0 of an empty text: forever. Error: the text isn't one. */
export function ttlMs(text: string): number {
  const seconds = text.trim() === "" ? 0 : Number(text);
  if (!Number.isFinite(seconds) || seconds < 0) throw new Error("the TTL must be a number of seconds");
  const ms = Math.round(seconds * 1000);
  return seconds > 0 ? Math.max(1, ms) : 0;
}
