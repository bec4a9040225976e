import type { ClusterNode, WatchClusterResponse } from "../gen/limedbpb/v1/cluster_pb";

const HUES = 8;

/** The colour of a node everywhere: by its place among all, so it is the same while they are. */
export function colourOf(urls: readonly string[], url: string): string {
  return `var(--node-${(Math.max(0, urls.indexOf(url)) % HUES) + 1})`;
}

export type Condition = "active" | "stale" | "unreachable" | "dead" | "unknown";

/** The condition of a node: links notice its loss long before gossip does. */
export function conditionOf(node: ClusterNode): Condition {
  if (node.status === "dead") return "dead";
  if (!node.reachable) return "unreachable";
  return node.status === "active" || node.status === "stale" ? node.status : "unknown";
}

export type Health = "healthy" | "degraded" | "critical";

/** Critical: half of the members or more are away. Degraded: some are, or the answering node has a problem. */
export function healthOf(snapshot: WatchClusterResponse): Health {
  const members = snapshot.nodes.filter((node) => node.standing !== "");
  const away = members.filter((node) => ["dead", "unreachable"].includes(conditionOf(node))).length;
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
