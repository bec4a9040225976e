import type { WatchClusterResponse } from "../gen/limedbpb/v1/cluster_pb";
import { explain } from "./errors";
import { at, cluster } from "./transport";

/** The silence after which a stream counts as broken, in ms, if the node is near: a sample comes each second. */
const LEAST_PATIENCE = 3500;
/** The same if nothing has come yet, however often it was tried: half a minute to the node and back. */
const MOST_PATIENCE = 60_000;
/** A stream may be silent this many times as long as its first sample took, which includes the round trip. */
const TRIPS = 3;
/** Pauses between streams in which nothing came, in ms: half of each at least, the rest by chance. */
const BACKOFF = { first: 250, most: 3000 };
/** The number of samples that are kept: five minutes. */
const KEPT = 300;

export type FeedState = "connecting" | "live" | "lost";

/** One moment of one node: rates a second, latency in ms. */
export interface Sample {
  at: number;
  requests: number;
  latency: number;
}

export interface Feed {
  state: FeedState;
  trouble: string;
  snapshot: WatchClusterResponse | undefined;
  samples: ReadonlyMap<string, readonly Sample[]>;
}

/** The cluster as one node reports it (any node, for an empty URL), as long as somebody subscribes. */
export class ClusterFeed {
  private current: Feed = { state: "connecting", trouble: "", snapshot: undefined, samples: new Map() };
  private readonly listeners = new Set<() => void>();
  private stop: AbortController | undefined;
  /** The silence after which a stream counts as broken, in ms: it grows with each silent stream. */
  private patience = LEAST_PATIENCE;

  constructor(private readonly nodeUrl: string) {}

  readonly get = (): Feed => this.current;

  readonly subscribe = (listener: () => void): (() => void) => {
    if (this.listeners.size === 0) document.addEventListener("visibilitychange", this.attend);
    this.listeners.add(listener);
    this.attend();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size > 0) return;
      document.removeEventListener("visibilitychange", this.attend);
      this.end();
    };
  };

  /** Hidden pages don't follow: a browser has six connections to a host, for all its pages. */
  private readonly attend = (): void => {
    if (document.hidden) this.end();
    else if (!this.stop) void this.run();
  };

  private end(): void {
    this.stop?.abort();
    this.stop = undefined;
  }

  private async run(): Promise<void> {
    const stop = new AbortController();
    this.stop = stop;
    let wait = BACKOFF.first;
    while (!stop.signal.aborted) {
      const heard = await this.follow(stop.signal);
      wait = heard ? BACKOFF.first : Math.min(wait * 2, BACKOFF.most);
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random() / 2)));
    }
  }

  /** Follow one stream to its end; return whether anything came. */
  private async follow(stop: AbortSignal): Promise<boolean> {
    const silent = new AbortController();
    const began = performance.now();
    let heard = false;
    let timer = setTimeout(() => silent.abort(), this.patience);
    try {
      const signal = AbortSignal.any([stop, silent.signal]);
      for await (const snapshot of cluster.watchCluster({ intervalMs: 1000 }, at(this.nodeUrl, { signal }))) {
        clearTimeout(timer);
        if (!heard) this.patience = within(TRIPS * (performance.now() - began));
        heard = true;
        timer = setTimeout(() => silent.abort(), this.patience);
        this.publish({ state: "live", trouble: "", snapshot, samples: this.sampled(snapshot) });
      }
      this.lose("the stream ended", stop);
    } catch (error) {
      if (silent.signal.aborted) this.patience = within(2 * this.patience);
      this.lose(silent.signal.aborted ? "the node is silent" : explain(error), stop);
    } finally {
      clearTimeout(timer);
    }
    return heard;
  }

  private lose(trouble: string, stop: AbortSignal): void {
    if (!stop.aborted) this.publish({ ...this.current, state: "lost", trouble });
  }

  private publish(feed: Feed): void {
    this.current = feed;
    for (const listener of this.listeners) listener();
  }

  private sampled(snapshot: WatchClusterResponse): ReadonlyMap<string, readonly Sample[]> {
    const now = Date.now();
    return new Map(
      snapshot.nodes.map((node) => {
        const isHeard = node.reachable && node.load;
        const sample = {
          at: now,
          requests: isHeard ? (node.load?.requestsPerSecond ?? 0) : 0,
          latency: isHeard ? (node.load?.averageLatencyMs ?? 0) : 0,
        };
        return [node.url, [...(this.current.samples.get(node.url) ?? []), sample].slice(-KEPT)];
      }),
    );
  }
}

function within(patience: number): number {
  return Math.min(MOST_PATIENCE, Math.max(LEAST_PATIENCE, patience));
}
