import { explain } from "../../api/errors";
import { kv } from "../../api/transport";
import { type Item, makeItems, type Shape } from "./shapes";

export interface Order {
  shape: Shape;
  count: number;
  batch: number;
  prefix: string;
}

export interface Progress {
  written: number;
  failed: number;
  trouble: string;
  seconds: number;
}

/** The number of batches under way at a time. */
const AT_ONCE = 2;

/** Write a batch; return how many of its items failed, and why the first did. */
async function write(items: Item[], signal: AbortSignal): Promise<{ failed: number; trouble: string }> {
  const writes = items.map(({ key, value, ttlMs }) => ({
    key,
    content: { case: "value" as const, value },
    ttlMs: BigInt(ttlMs),
  }));
  const { results } = await kv.batchSet({ writes }, { signal });
  const errors = results.flatMap((result) => (result.error ? [result.error.message] : []));
  return { failed: errors.length, trouble: errors[0] ?? "" };
}

/** Make and write items until all are written, or the run is cancelled. report: called after each batch. */
export async function seed(
  order: Order,
  report: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<void> {
  const { faker } = await import("@faker-js/faker/locale/en"); // large, and only needed here
  const started = performance.now();
  const progress: Progress = { written: 0, failed: 0, trouble: "", seconds: 0 };
  let left = order.count;
  const work = async () => {
    while (left > 0 && !signal.aborted) {
      const size = Math.min(order.batch, left);
      left -= size;
      const items = makeItems(faker, order.shape, order.prefix, size);
      const { failed, trouble } = await write(items, signal).catch((error: unknown) => {
        if (signal.aborted) return { failed: 0, trouble: "" };
        left = 0;
        return { failed: size, trouble: explain(error) };
      });
      if (signal.aborted) return;
      progress.written += size - failed;
      progress.failed += failed;
      progress.trouble ||= trouble;
      progress.seconds = (performance.now() - started) / 1000;
      report({ ...progress });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
