import type { ClusterNode } from "../../gen/limedbpb/v1/cluster_pb";
import { count, hostOf, seconds } from "../../lib/format";
import { colourOf, conditionOf, isKnown, noData } from "../../lib/nodes";
import { point } from "../../lib/ring";
import { ConditionMark, Swatch } from "../../ui/condition";
import { Code, Table } from "../../ui/table";

const DISTANCE = 78;
const DASHES = { active: "", stale: "6 4", unknown: "6 4", unreachable: "2 5", dead: "2 5" };

interface Props {
  /** The URL of the node. */
  own: string;
  nodes: readonly ClusterNode[];
  /** When it reported, in ms since 1970. */
  heardAt: number;
  urls: readonly string[];
}

/** When a node was heard of. */
function heard(node: ClusterNode, heardAt: number): string {
  return isKnown(node) ? `${seconds(node.lag)} ago` : noData(node, heardAt);
}

/** The node in the middle, the others around it: each line shows the node's opinion of the other. */
function Star({ own, nodes, urls }: Omit<Props, "heardAt">) {
  const peers = nodes.filter((node) => node.url !== own);
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
      <circle r="12" fill={colourOf(urls, own)} stroke="var(--ink)" />
    </svg>
  );
}

/** The node's gossip about the others, and its age. */
export function GossipMap({ own, nodes, heardAt, urls }: Props) {
  return (
    <div className="space-y-3">
      <Star own={own} nodes={nodes} urls={urls} />
      <Table label="Gossip" columns={["node", "status", "generation>", "heartbeat>", "heard>", "epoch>"]}>
        {nodes.map((node) => (
          <tr key={node.url}>
            <td className="whitespace-nowrap font-mono text-xs">
              <Swatch colour={colourOf(urls, node.url)} /> {hostOf(node.url)}
            </td>
            <td>
              <ConditionMark is={conditionOf(node)} />
            </td>
            <Code right>{node.generation.toString()}</Code>
            <Code right>{count(node.heartbeat)}</Code>
            <Code right>{node.url === own ? "itself" : heard(node, heardAt)}</Code>
            <Code right>{node.epoch.toString()}</Code>
          </tr>
        ))}
      </Table>
    </div>
  );
}
