import type { WatchClusterResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { hostOf } from "../../lib/format";
import { conditionOf } from "../../lib/nodes";

export interface ClusterEvent {
  id: number;
  at: number;
  text: string;
}

const KEPT = 50;
let heard: { before: WatchClusterResponse | undefined; events: readonly ClusterEvent[] } = {
  before: undefined,
  events: [],
};

/** What differs between two moments, in words. */
function changes(before: WatchClusterResponse, now: WatchClusterResponse): string[] {
  const known = new Map(before.nodes.map((node) => [node.url, node]));
  const told: string[] = [];
  if (now.epoch !== before.epoch)
    told.push(`epoch ${now.epoch}: ${now.change?.what ?? `${now.phase} again`}`);
  for (const node of now.nodes) {
    const old = known.get(node.url);
    const is = conditionOf(node);
    if (!old) told.push(`${hostOf(node.url)} is new`);
    else if (is !== conditionOf(old)) told.push(`${hostOf(node.url)} is ${is}, was ${conditionOf(old)}`);
    else if (node.generation !== old.generation) told.push(`${hostOf(node.url)} has started anew`);
  }
  return told;
}

/** All that was seen to change since the page was opened, newest first; a moment is taken once. */
export function eventsUpTo(now: WatchClusterResponse): readonly ClusterEvent[] {
  if (heard.before === now) return heard.events;
  const told = heard.before ? changes(heard.before, now) : [];
  const fresh = told.map((text, index) => ({ id: heard.events.length + index, at: Date.now(), text }));
  heard = { before: now, events: [...fresh.reverse(), ...heard.events].slice(0, KEPT) };
  return heard.events;
}
