import type { ReactNode } from "react";
import type { ClusterNode, WatchClusterResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { bytes, count, figure } from "../../lib/format";
import { conditionOf, healthOf, isKnown, membersOf } from "../../lib/nodes";
import { ConditionMark } from "../../ui/condition";

function Figure(props: { name: string; children: ReactNode; note?: string | undefined; isWide?: boolean }) {
  return (
    <div className={`min-w-0 bg-panel px-3.5 py-2.5 ${props.isWide ? "col-span-2 xl:col-span-1" : ""}`}>
      <dt className="text-muted text-xs">{props.name}</dt>
      <dd className="mt-0.5 truncate font-semibold text-[17px] tabular-nums">
        {props.children}
        {props.note && <span className="ml-1.5 font-normal text-muted text-xs">{props.note}</span>}
      </dd>
    </div>
  );
}

/** How many keys there are, by what the known members hold of their shares: all shares together are as many as there
 * are replicas. */
function keysOf(known: readonly ClusterNode[]): number {
  const held = known.reduce((total, node) => total + node.keys, 0);
  const share = known.reduce((total, node) => total + node.share, 0);
  return share > 0 ? Math.round(held / share) : held;
}

/** The members in a line of figures. isLive: whether the snapshot still holds. */
export function Summary({ snapshot, isLive }: { snapshot: WatchClusterResponse; isLive: boolean }) {
  const members = membersOf(snapshot);
  const known = members.filter(isKnown);
  const isPart = known.length < members.length;
  const shown = (text: (nodes: readonly ClusterNode[]) => string) => (known.length > 0 ? text(known) : "–");
  const sum = (of: (node: ClusterNode) => number) => known.reduce((total, node) => total + of(node), 0);
  const active = known.filter((node) => conditionOf(node) === "active").length;
  const partly = isPart && known.length > 0 ? `of ${known.length} nodes` : undefined;
  return (
    <dl
      aria-label="Summary"
      className="grid grid-cols-2 gap-px overflow-hidden rounded-lg border border-line bg-line sm:grid-cols-4 xl:grid-cols-7"
    >
      <Figure name="Health">
        <ConditionMark is={isLive ? healthOf(snapshot) : "unknown"} />
      </Figure>
      <Figure name="Nodes active" note={`of ${members.length}`}>
        {isLive ? active : "–"}
      </Figure>
      <Figure name={isPart ? "Keys, about" : "Keys"} note={`in ${snapshot.replicationFactor} replicas`}>
        {shown((nodes) => count(keysOf(nodes)))}
      </Figure>
      <Figure name="On disk" note={partly}>
        {shown(() => bytes(sum((node) => Number(node.load?.diskBytes ?? 0n))))}
      </Figure>
      <Figure name="Requests" note={partly ?? "a second"}>
        {shown(() => figure(sum((node) => node.load?.requestsPerSecond ?? 0)))}
      </Figure>
      <Figure name="Epoch" note={isLive ? snapshot.phase : undefined}>
        {snapshot.epoch.toString()}
      </Figure>
      <Figure name="Cluster" isWide>
        <span className="font-mono font-normal text-xs">{snapshot.clusterId || "none yet"}</span>
      </Figure>
    </dl>
  );
}
