import { toJson } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";
import type { GetRingResponse } from "../gen/limedbpb/v1/cluster_pb";

const TOKENS = 2 ** 64;

/** A range of tokens on the circle: from after start up to end, in degrees from the top, clockwise. */
export interface Arc {
  url: string;
  start: number;
  size: number;
  startHash: string;
  endHash: string;
}

interface RangeJson {
  startHash: string;
  endHash: string;
  startDegrees: number;
  sizeDegrees: number;
}

/** All ranges of a ring, ordered by their ends. */
export function arcsOf(ring: GetRingResponse): Arc[] {
  return Object.entries(ring.rangesDegrees)
    .flatMap(([url, list]) =>
      (toJson(ListValueSchema, list) as unknown as RangeJson[]).map((range) => ({
        url,
        start: range.startDegrees,
        size: range.sizeDegrees,
        startHash: range.startHash,
        endHash: range.endHash,
      })),
    )
    .sort((one, other) => one.start + one.size - (other.start + other.size));
}

/** The index of the range that holds a place on the circle: the first whose end is at or after it. */
export function arcAt(arcs: readonly Arc[], degrees: number): number {
  let low = 0;
  let high = arcs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const arc = arcs[middle];
    if (arc && arc.start + arc.size < degrees) low = middle + 1;
    else high = middle;
  }
  return low === arcs.length ? 0 : low;
}

/** The end of each node's first range, clockwise from a place: these nodes are the replicas. */
export function firstOf(arcs: readonly Arc[], degrees: number, urls: readonly string[]): Map<string, number> {
  const places = new Map<string, number>();
  const from = arcAt(arcs, degrees);
  for (let step = 0; step < arcs.length && places.size < urls.length; step += 1) {
    const arc = arcs[(from + step) % arcs.length];
    if (arc && urls.includes(arc.url) && !places.has(arc.url)) places.set(arc.url, arc.start + arc.size);
  }
  return places;
}

export function degreesOf(token: bigint): number {
  return (Number(token) / TOKENS) * 360;
}

/** A point of a circle around (0, 0). */
export function point(degrees: number, radius: number): [x: number, y: number] {
  const angle = ((degrees - 90) * Math.PI) / 180;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/** A piece of a band between two radii, as an SVG path. */
export function bandPath(arc: Pick<Arc, "start" | "size">, inner: number, outer: number): string {
  const end = arc.start + Math.min(arc.size, 359.99);
  const large = arc.size > 180 ? 1 : 0;
  const text = ([x, y]: [number, number]) => `${x.toFixed(2)} ${y.toFixed(2)}`;
  return (
    `M${text(point(arc.start, outer))}A${outer} ${outer} 0 ${large} 1 ${text(point(end, outer))}` +
    `L${text(point(end, inner))}A${inner} ${inner} 0 ${large} 0 ${text(point(arc.start, inner))}Z`
  );
}
