import type { WatchClusterResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { count, hostOf, seconds } from "../../lib/format";
import { colourOf, conditionOf } from "../../lib/nodes";
import { point } from "../../lib/ring";
import { ConditionMark, Swatch } from "../../ui/condition";
import { Code, Table } from "../../ui/table";

const DISTANCE = 78;
const DASHES = { active: "", stale: "6 4", unknown: "6 4", unreachable: "2 5", dead: "2 5" };

/** The node in the middle, the others around it: each line shows the node's opinion of the other. */
function Star({ snapshot, urls }: { snapshot: WatchClusterResponse; urls: readonly string[] }) {
  const peers = snapshot.nodes.filter((node) => node.url !== snapshot.nodeUrl);
  return (
    <svg viewBox="-130 -105 260 210" role="img" aria-label="Gossip map" className="mx-auto w-full max-w-md">
      {peers.map((peer, index) => {
        const [x, y] = point((index * 360) / peers.length, DISTANCE);
        const below = y > -1 ? 20 : -14; // names stand outside, away from the lines
        const is = conditionOf(peer);
        const stroke = is === "active" ? "var(--good)" : is === "stale" ? "var(--warn)" : "var(--bad)";
        return (
          <g key={peer.url}>
            <line
              x1="0"
              y1="0"
              x2={x}
              y2={y}
              stroke={stroke}
              strokeWidth="1.5"
              strokeDasharray={DASHES[is]}
            />
            <circle cx={x} cy={y} r="9" fill={colourOf(urls, peer.url)} opacity={is === "active" ? 1 : 0.4} />
            <text x={x} y={y + below} textAnchor="middle" fontSize="8.5" fill="var(--ink)">
              {hostOf(peer.url)}
            </text>
          </g>
        );
      })}
      <circle r="12" fill={colourOf(urls, snapshot.nodeUrl)} stroke="var(--ink)" />
    </svg>
  );
}

/** The node's gossip about the others, and its age. */
export function GossipMap({ snapshot, urls }: { snapshot: WatchClusterResponse; urls: readonly string[] }) {
  return (
    <div className="space-y-3">
      <Star snapshot={snapshot} urls={urls} />
      <Table label="Gossip" columns={["node", "status", "generation>", "heartbeat>", "heard>", "epoch>"]}>
        {snapshot.nodes.map((node) => (
          <tr key={node.url}>
            <td className="whitespace-nowrap font-mono text-xs">
              <Swatch colour={colourOf(urls, node.url)} /> {hostOf(node.url)}
            </td>
            <td>
              <ConditionMark is={conditionOf(node)} />
            </td>
            <Code right>{node.generation.toString()}</Code>
            <Code right>{count(node.heartbeat)}</Code>
            <Code right>{node.url === snapshot.nodeUrl ? "itself" : `${seconds(node.lag)} ago`}</Code>
            <Code right>{node.epoch.toString()}</Code>
          </tr>
        ))}
      </Table>
    </div>
  );
}
