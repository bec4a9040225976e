import type { Sample } from "../../api/cluster-feed";
import type { ClusterNode } from "../../gen/limedbpb/v1/cluster_pb";
import { bytes, count, figure, hostOf, percent, seconds } from "../../lib/format";
import { colourOf, conditionOf, isKnown, noData } from "../../lib/nodes";
import { go } from "../../lib/router";
import { ConditionMark, Swatch } from "../../ui/condition";
import { Sparkline } from "../../ui/sparkline";

function Cell({ name, value }: { name: string; value: string }) {
  return (
    <div className="min-w-0">
      <dt className="truncate text-[11px] text-muted">{name}</dt>
      <dd className="truncate font-mono text-xs">{value}</dd>
    </div>
  );
}

/** The last figures of a node. */
function Cells({ node, isReporter }: { node: ClusterNode; isReporter: boolean }) {
  const { load } = node;
  return (
    <dl className="mt-2 grid grid-cols-3 gap-x-2 gap-y-1.5">
      <Cell name="keys" value={count(node.keys)} />
      <Cell name="disk" value={load ? bytes(load.diskBytes) : "–"} />
      <Cell name="memory" value={load ? bytes(load.memoryBytes) : "–"} />
      <Cell name="requests/s" value={load ? figure(load.requestsPerSecond) : "–"} />
      <Cell name="latency" value={load ? `${figure(load.averageLatencyMs)} ms` : "–"} />
      <Cell name="errors" value={load ? percent(load.errorRate) : "–"} />
      <Cell name="cpu" value={load ? `${figure(load.cpuPercent)}%` : "–"} />
      <Cell name="heartbeat" value={count(node.heartbeat)} />
      <Cell name="heard" value={isReporter ? "now" : `${seconds(node.lag)} ago`} />
    </dl>
  );
}

/** What a node is, besides its condition: its zone, its place in the topology, whether it reports all this. */
export function placeOf(node: ClusterNode, isReporter: boolean): string {
  const place = [
    node.zone && `zone ${node.zone}`,
    node.standing || "not a member",
    isReporter && "reports this",
  ];
  return place.filter(Boolean).join(" · ");
}

interface Props {
  node: ClusterNode;
  urls: readonly string[];
  isReporter: boolean;
  heardAt: number;
  samples: readonly Sample[];
}

/** The state of one node, as the reporting node has heard it. heardAt: when the report came. */
export function NodeCard({ node, urls, isReporter, heardAt, samples }: Props) {
  const colour = colourOf(urls, node.url);
  return (
    <li aria-label={hostOf(node.url)} className="min-w-0 rounded-lg border border-line bg-panel p-3">
      <div className="flex items-center justify-between gap-2">
        <button
          type="button"
          onClick={() => go("/dashboard/nodes", { node: node.url })}
          className="flex min-w-0 items-center gap-2 font-medium font-mono text-[13px] hover:underline"
        >
          <Swatch colour={colour} />
          <span className="truncate">{hostOf(node.url)}</span>
        </button>
        <ConditionMark is={conditionOf(node)} beat={node.heartbeat} />
      </div>
      <p className="mt-0.5 truncate text-muted text-xs">{placeOf(node, isReporter)}</p>
      <Sparkline values={samples.slice(-60).map((sample) => sample.requests)} colour={colour} />
      {isKnown(node) ? (
        <Cells node={node} isReporter={isReporter} />
      ) : (
        <p className="mt-2 text-muted text-xs">{noData(node, heardAt)}</p>
      )}
    </li>
  );
}
