import type { HistoryPoint, NodeHistory, OperationLatency } from "../gen/limedbpb/v1/cluster_pb";
import type { Line } from "../ui/chart";
import { hostOf } from "./format";
import { colourOf } from "./nodes";

/** A chart with more lines than this shows the largest. */
const MOST_LINES = 8;

export const OPERATIONS = ["get", "set", "delete", "batch_get", "batch_set", "other"] as const;
export const SHARES = ["p99", "p95", "p50"] as const;
export type Operation = (typeof OPERATIONS)[number];
export type Share = (typeof SHARES)[number];

const OF_SHARE: Record<Share, (one: OperationLatency) => number> = {
  p50: (one) => one.p50Ms,
  p95: (one) => one.p95Ms,
  p99: (one) => one.p99Ms,
};

/** The latency of an operation at a moment, in ms; null: there was none of it. */
export function latencyOf(operation: Operation, share: Share): (point: HistoryPoint) => number | null {
  return (point) => {
    const found = point.operations.find((one) => one.operation === operation);
    return found ? OF_SHARE[share](found) : null;
  };
}

/** Points by their moments, with a gap wherever a step is missing. */
function pointsOf(
  points: readonly HistoryPoint[],
  stepMs: number,
  value: (point: HistoryPoint) => number | null,
): Map<number, number | null> {
  const found = new Map<number, number | null>();
  let before = 0;
  for (const point of points) {
    const at = Number(point.atMs);
    if (before > 0 && at - before > stepMs) found.set(before + 1, null);
    found.set(at, value(point));
    before = at;
  }
  return found;
}

/** A line for each node. */
export function linesOf(
  nodes: readonly NodeHistory[],
  stepSeconds: number,
  urls: readonly string[],
  value: (point: HistoryPoint) => number | null,
): Line[] {
  return nodes.map((node) => ({
    name: hostOf(node.url),
    colour: colourOf(urls, node.url),
    points: pointsOf(node.points, stepSeconds * 1000, value),
  }));
}

/** The last value of a line; null: nobody knows. */
export function lastOf(line: Line): number | null {
  return [...line.points.values()].at(-1) ?? null;
}

/** The lines that a chart has room for: those with the largest values, in the order that they have. */
export function largest(lines: readonly Line[]): readonly Line[] {
  if (lines.length <= MOST_LINES) return lines;
  const most = (line: Line) => Math.max(-1, ...[...line.points.values()].map((value) => value ?? -1));
  const chosen = new Set([...lines].sort((one, other) => most(other) - most(one)).slice(0, MOST_LINES));
  return lines.filter((line) => chosen.has(line));
}
