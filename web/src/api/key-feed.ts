import type { WatchResponse } from "../gen/limedbpb/v1/kv_pb";
import { explain } from "./errors";
import { Following } from "./following";
import { type Found, readKey } from "./keys";
import { ENDLESS, kv } from "./transport";

/** In ms: the sign that a watch stands comes every few seconds. */
const LEAST_PATIENCE = 15_000;

/** A key as it is now. found: undefined: it has no value. isRead: it was read. isFollowed: changes show at once.
 * count: how often it has changed or was read. */
export interface KeyNow {
  found: Found | undefined;
  trouble: string;
  isRead: boolean;
  isFollowed: boolean;
  count: number;
}

const NOTHING: KeyNow = { found: undefined, trouble: "", isRead: false, isFollowed: false, count: 0 };

/** The value of a key, which follows each change, as long as somebody subscribes. It is read whenever the watch
 * begins, and where none is allowed. This is a tab's second stream, beside that of the cluster: each tab shows a key of
 * its own, and only the one in front watches it. */
export class KeyFeed extends Following<WatchResponse> {
  private current = NOTHING;

  constructor(private readonly key: string) {
    super(LEAST_PATIENCE);
  }

  readonly get = (): KeyNow => this.current;

  /** Read it again, as when its time has come to expire. */
  readonly read = async (stop?: AbortSignal): Promise<void> => {
    try {
      const found = await readKey(this.key, "default", stop ? { signal: stop } : {});
      const isOlder = (found?.version ?? 0n) < (this.current.found?.version ?? 0n) && found !== undefined;
      if (!stop?.aborted && !isOlder) this.publish({ found, trouble: "", isRead: true });
    } catch (error) {
      if (!stop?.aborted) this.publish({ trouble: explain(error), isRead: true });
    }
  };

  protected open(signal: AbortSignal): AsyncIterable<WatchResponse> {
    return kv.watch({ what: { case: "key", value: this.key } }, { ...ENDLESS, signal });
  }

  protected take({ events }: WatchResponse, isFirst: boolean, stop: AbortSignal): void {
    if (isFirst) {
      this.publish({ isFollowed: true });
      void this.read(stop);
    } else if (events.length > 0) {
      void this.read(stop);
    }
  }

  protected lose(): void {
    this.publish({ isFollowed: false });
    void this.read();
  }

  private publish(part: Partial<KeyNow>): void {
    this.current = { ...this.current, ...part, count: this.current.count + 1 };
    this.changed();
  }
}
