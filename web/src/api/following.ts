import { explain } from "./errors";

/** The longest silence before a first message, in ms, however often it was tried: half a minute to the node and back. */
const MOST_PATIENCE = 60_000;
/** A stream may be silent this many times as long as its first message took, which includes the round trip. */
const TRIPS = 3;
/** Pauses between streams in which nothing came, in ms: half of each at least, the rest by chance. */
const BACKOFF = { first: 250, most: 3000 };

/** A stream that is opened again whenever it ends, as long as somebody subscribes and the page is visible: a browser
 * has six connections to a host, for all its pages. leastPatience: the silence after which it counts as broken, in
 * ms, if the node is near. */
export abstract class Following<Message> {
  private readonly listeners = new Set<() => void>();
  private stop: AbortController | undefined;
  /** The silence after which a stream counts as broken, in ms: it grows with each silent stream. */
  private patience: number;

  constructor(private readonly leastPatience: number) {
    this.patience = leastPatience;
  }

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

  /** Open the stream. */
  protected abstract open(signal: AbortSignal): AsyncIterable<Message>;

  /** Take a message. isFirst: of its stream. stop: of all streams. */
  protected abstract take(message: Message, isFirst: boolean, stop: AbortSignal): void;

  /** Take that the stream is lost. */
  protected abstract lose(trouble: string): void;

  protected changed(): void {
    for (const listener of this.listeners) listener();
  }

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
      for await (const message of this.open(AbortSignal.any([stop, silent.signal]))) {
        clearTimeout(timer);
        if (!heard) this.patience = this.within(TRIPS * (performance.now() - began));
        this.take(message, !heard, stop);
        heard = true;
        timer = setTimeout(() => silent.abort(), this.patience);
      }
      if (!stop.aborted) this.lose("the stream ended");
    } catch (error) {
      if (silent.signal.aborted) this.patience = this.within(2 * this.patience);
      if (!stop.aborted) this.lose(silent.signal.aborted ? "the node is silent" : explain(error));
    } finally {
      clearTimeout(timer);
    }
    return heard;
  }

  private within(patience: number): number {
    return Math.min(MOST_PATIENCE, Math.max(this.leastPatience, patience));
  }
}
