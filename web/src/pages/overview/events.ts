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

/** The differences between two moments, in words. */
function changes(before: WatchClusterResponse, now: WatchClusterResponse): string[] {
  const known = new Map(before.nodes.map((node) => [node.url, node]));
  const events: string[] = [];
  if (now.epoch !== before.epoch)
    events.push(`epoch ${now.epoch}: ${now.change?.what ?? `${now.phase} again`}`);
  for (const node of now.nodes) {
    const old = known.get(node.url);
    const is = conditionOf(node);
    if (!old) events.push(`${hostOf(node.url)} appeared`);
    else if (is !== conditionOf(old)) events.push(`${hostOf(node.url)} is ${is}, was ${conditionOf(old)}`);
    else if (node.generation !== old.generation) events.push(`${hostOf(node.url)} was restarted`);
  }
  return events;
}

/** All changes since the page was opened, newest first; each moment counts once. */
export function eventsUpTo(now: WatchClusterResponse): readonly ClusterEvent[] {
  if (heard.before === now) return heard.events;
  const texts = heard.before ? changes(heard.before, now) : [];
  const fresh = texts.map((text, index) => ({ id: heard.events.length + index, at: Date.now(), text }));
  heard = { before: now, events: [...fresh.reverse(), ...heard.events].slice(0, KEPT) };
  return heard.events;
}
