import type { ClusterNode, WatchClusterResponse } from "../gen/limedbpb/v1/cluster_pb";
import { clock } from "./format";

const HUES = 8;

/** The angle between two further hues: no two of them are near each other. */
const GOLDEN = 137.5;

/** The colour of a node everywhere: by its place among all, so it is the same while they are. */
export function colourOf(urls: readonly string[], url: string): string {
  const place = Math.max(0, urls.indexOf(url));
  return place < HUES ? `var(--node-${place + 1})` : `hsl(${Math.round(place * GOLDEN) % 360} 55% 50%)`;
}

export type Condition = "active" | "stale" | "unreachable" | "dead" | "unknown";

/** The condition of a node: links notice its loss long before gossip does. */
export function conditionOf(node: ClusterNode): Condition {
  if (node.status === "dead") return "dead";
  if (node.status !== "active" && node.status !== "stale") return "unknown";
  return node.reachable ? node.status : "unreachable";
}

/** Whether the last figures of a node are those of now. */
export function isKnown(node: ClusterNode): boolean {
  return ["active", "stale"].includes(conditionOf(node));
}

/** Since when a node has sent no figures. heardAt: when the snapshot came, in ms since 1970. */
export function noData(node: ClusterNode, heardAt: number): string {
  return node.heartbeat === 0 ? "no data yet" : `no data since ${clock(heardAt - node.lag * 1000)}`;
}

/** The nodes that are members: only they count. */
export function membersOf(snapshot: WatchClusterResponse): ClusterNode[] {
  return snapshot.nodes.filter((node) => node.standing !== "");
}

/** A snapshot of which nobody knows whether it still holds. */
export function outdated(snapshot: WatchClusterResponse): WatchClusterResponse {
  const nodes = snapshot.nodes.map((node) => ({ ...node, status: "" }));
  const old = { ...snapshot, nodes };
  delete old.change;
  return old;
}

export type Health = "healthy" | "degraded" | "critical";

/** Critical: half of the members or more are away. Degraded: some are, or the answering node has a problem. */
export function healthOf(snapshot: WatchClusterResponse): Health {
  const members = membersOf(snapshot);
  const away = members.filter((node) => !isKnown(node)).length;
  if (members.length === 0 || away * 2 >= members.length) return "critical";
  const isWell = !snapshot.problem && snapshot.warnings.length === 0;
  const isCalm = isWell && members.every((node) => conditionOf(node) === "active");
  return isCalm ? "healthy" : "degraded";
}

/** How far a node's share is from the mean of all, -1 and above. */
export function deviationOf(nodes: readonly ClusterNode[], node: ClusterNode): number {
  const owning = nodes.filter((other) => other.share > 0);
  const mean = owning.reduce((sum, other) => sum + other.share, 0) / Math.max(1, owning.length);
  return mean === 0 ? 0 : node.share / mean - 1;
}
