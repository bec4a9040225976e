import type { ClusterNode } from "../../gen/limedbpb/v1/cluster_pb";
import { hostOf, percent, signed } from "../../lib/format";
import { colourOf, deviationOf } from "../../lib/nodes";
import { Meter } from "../../ui/meter";
import { Scroll } from "../../ui/scroll";

/** The share of all keys that each member owns a replica of, and its distance from the mean. */
export function Ownership({ nodes, urls }: { nodes: readonly ClusterNode[]; urls: readonly string[] }) {
  return (
    <div>
      <h3 className="mb-2 font-medium text-muted text-xs">
        Owns: share of all keys, and its distance from the mean
      </h3>
      <Scroll label="All shares" className="max-h-72 overflow-y-auto">
        <ul aria-label="Ownership" className="space-y-2">
          {nodes.map((node) => (
            <li key={node.url} className="text-xs">
              <div className="mb-1 flex justify-between gap-2 font-mono">
                <span className="truncate">{hostOf(node.url)}</span>
                <span className="whitespace-nowrap">
                  {percent(node.share)}{" "}
                  <span className="text-muted">({signed(deviationOf(nodes, node) * 100, 1)}%)</span>
                </span>
              </div>
              <Meter
                label={`Share of ${hostOf(node.url)}`}
                share={node.share}
                colour={colourOf(urls, node.url)}
              />
            </li>
          ))}
        </ul>
      </Scroll>
    </div>
  );
}
