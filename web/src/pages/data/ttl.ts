/** The most seconds that a value lives: 100 years. */
const MOST_SECONDS = 3_153_600_000;

/** The milliseconds of a TTL in seconds; 0 of an empty text: forever. Error: the text isn't one. */
export function ttlMs(text: string): number {
  const bare = text.trim();
  const seconds = Number(bare);
  if (!/^(\d+(\.\d*)?|\.\d+|)$/.test(bare) || seconds > MOST_SECONDS) {
    throw new Error("the TTL must be a number of seconds, up to 100 years");
  }
  return seconds > 0 ? Math.max(1, Math.round(seconds * 1000)) : 0;
}
