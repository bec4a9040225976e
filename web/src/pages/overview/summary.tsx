import type { ReactNode } from "react";
import type { WatchClusterResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { bytes, count, figure } from "../../lib/format";
import { conditionOf, healthOf } from "../../lib/nodes";
import { ConditionMark } from "../../ui/condition";

function Figure(props: { name: string; children: ReactNode; note?: string; isWide?: boolean }) {
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

/** The cluster in a line of figures. */
export function Summary({ snapshot }: { snapshot: WatchClusterResponse }) {
  const { nodes } = snapshot;
  const sum = (of: (node: (typeof nodes)[number]) => number) =>
    nodes.reduce((total, node) => total + of(node), 0);
  const active = nodes.filter((node) => conditionOf(node) === "active").length;
  const requests = sum((node) => (node.reachable ? (node.load?.requestsPerSecond ?? 0) : 0));
  const disk = sum((node) => Number(node.load?.diskBytes ?? 0n));
  return (
    <dl
      aria-label="Summary"
      className="grid grid-cols-2 gap-px overflow-hidden rounded-lg border border-line bg-line sm:grid-cols-4 xl:grid-cols-7"
    >
      <Figure name="Health">
        <ConditionMark is={healthOf(snapshot)} />
      </Figure>
      <Figure name="Nodes active" note={`of ${nodes.length}`}>
        {active}
      </Figure>
      <Figure name="Keys" note={`in ${snapshot.replicationFactor} replicas`}>
        {count(
          Math.round(
            sum((node) => node.keys) / Math.max(1, Math.min(snapshot.replicationFactor, nodes.length)),
          ),
        )}
      </Figure>
      <Figure name="On disk">{bytes(disk)}</Figure>
      <Figure name="Requests" note="a second">
        {figure(requests)}
      </Figure>
      <Figure name="Epoch" note={snapshot.phase}>
        {snapshot.epoch.toString()}
      </Figure>
      <Figure name="Cluster" isWide>
        <span className="font-mono font-normal text-xs">{snapshot.clusterId || "none yet"}</span>
      </Figure>
    </dl>
  );
}
