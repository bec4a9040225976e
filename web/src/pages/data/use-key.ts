import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { explain } from "../../api/errors";
import { KeyFeed, type KeyNow } from "../../api/key-feed";
import { locateKey } from "../../api/keys";
import type { LocateKeyResponse } from "../../gen/limedbpb/v1/cluster_pb";

/** How long after it expired a value is read again, in ms: clocks differ a little. */
const LATE = 300;
/** The longest time that a browser's timer waits, in ms. */
const LONGEST = 2 ** 31 - 1;

export interface KeyState extends KeyNow {
  located: LocateKeyResponse | undefined;
  /** Read it again. */
  read: () => void;
}

/** A key's value and its holders, followed as they change; read again when `changes` grows. */
export function useKey(name: string, changes: number): KeyState {
  const feed = useMemo(() => new KeyFeed(name), [name]);
  const now = useSyncExternalStore(feed.subscribe, feed.get);
  const [placed, setPlaced] = useState<{ located?: LocateKeyResponse; trouble: string }>({ trouble: "" });
  const version = now.found?.version;
  const endsAt = now.found?.expiresAtMs ?? 0;
  useEffect(() => {
    if (changes > 0) void feed.read();
  }, [feed, changes]);
  useEffect(() => {
    if (endsAt === 0) return;
    const timer = setTimeout(
      () => feed.read(),
      Math.min(LONGEST, Math.max(LATE, endsAt + LATE - Date.now())),
    );
    return () => clearTimeout(timer);
  }, [feed, endsAt]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: replicas change with the value
  useEffect(() => {
    const stop = new AbortController();
    locateKey(name, stop.signal)
      .then((located) => stop.signal.aborted || setPlaced({ located, trouble: "" }))
      .catch((error: unknown) => stop.signal.aborted || setPlaced({ trouble: explain(error) }));
    return () => stop.abort();
  }, [name, changes, version]);
  return { ...now, trouble: now.trouble || placed.trouble, located: placed.located, read: feed.read };
}
