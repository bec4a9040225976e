import { explain } from "./errors";

/** The pieces that tabs send each other: a message, the end of the stream with its cause, a wish for the last one. */
type Piece = { kind: "message"; bytes: Uint8Array } | { kind: "lost"; trouble: string } | { kind: "ask" };

/** How messages become bytes for other tabs, and back. */
export interface Codec<Message> {
  encode: (message: Message) => Uint8Array;
  decode: (bytes: Uint8Array) => Message;
}

/** Whether tabs can share here: browsers have locks only where the address is HTTPS or the machine itself. */
export const canShare = "locks" in navigator && "BroadcastChannel" in window;

/** The name that the tabs of one user share: tabs with another token may see something else. */
export async function sharedName(what: string, token: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  return `${what} ${[...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Messages and one end, for one reader that may come later. */
class Pipe<Message> {
  private readonly waiting: Message[] = [];
  private isOver = false;
  private error: Error | undefined;
  private wake: () => void = () => undefined;

  readonly push = (message: Message): void => {
    this.waiting.push(message);
    this.wake();
  };

  readonly end = (error?: Error): void => {
    this.isOver = true;
    this.error ??= error;
    this.wake();
  };

  async *read(): AsyncGenerator<Message> {
    while (true) {
      const next = this.waiting.shift();
      if (next !== undefined) yield next;
      else if (this.error) throw this.error;
      else if (this.isOver) return;
      else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    }
  }
}

/** One stream for all tabs of a browser: the tab that has the lock opens it, and passes each message on. When that tab
 * closes or is hidden, its lock is free, and the next tab opens the stream. */
export async function* shared<Message>(
  name: string,
  open: (signal: AbortSignal) => AsyncIterable<Message>,
  codec: Codec<Message>,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const channel = new BroadcastChannel(name);
  const pipe = new Pipe<Message>();
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  stop.addEventListener("abort", () => pipe.end());
  channel.onmessage = ({ data }: MessageEvent<Piece>) => {
    if (data.kind === "message") pipe.push(codec.decode(data.bytes));
    else if (data.kind === "lost") pipe.end(new Error(data.trouble));
  };
  channel.postMessage({ kind: "ask" } satisfies Piece);
  navigator.locks
    .request(name, { signal: stop }, () => lead(channel, open(stop), codec, pipe, stop))
    .catch((error: unknown) => pipe.end(stop.aborted ? undefined : asError(error)));
  try {
    yield* pipe.read();
    if (signal.aborted) throw new Error("stopped");
  } finally {
    over.abort();
    channel.close();
  }
}

/** Read the stream for all tabs, until it ends. */
async function lead<Message>(
  channel: BroadcastChannel,
  messages: AsyncIterable<Message>,
  codec: Codec<Message>,
  pipe: Pipe<Message>,
  stop: AbortSignal,
): Promise<void> {
  let last: Piece | undefined;
  const tell = (piece: Piece) => stop.aborted || channel.postMessage(piece);
  channel.onmessage = ({ data }: MessageEvent<Piece>) => {
    if (data.kind === "ask" && last) tell(last);
  };
  try {
    for await (const message of messages) {
      last = { kind: "message", bytes: codec.encode(message) };
      tell(last);
      pipe.push(message);
    }
    tell({ kind: "lost", trouble: "the stream ended" });
    pipe.end();
  } catch (error) {
    tell({ kind: "lost", trouble: explain(error) });
    pipe.end(asError(error));
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
