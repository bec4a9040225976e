import type { Sample } from "../../api/cluster-feed";
import type { ClusterNode, WatchClusterResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { hostOf } from "../../lib/format";
import { conditionOf } from "../../lib/nodes";
import { useText } from "../../lib/router";
import { Choice, Input } from "../../ui/field";
import { Quiet } from "../../ui/panel";
import { Segments } from "../../ui/segments";
import { NodeCard } from "./node-card";
import { NodeTable } from "./node-table";

/** With more nodes than this a table shows them, unless cards are asked for. */
const MOST_CARDS = 8;
const VIEWS = ["cards", "table"] as const;
type View = (typeof VIEWS)[number];

/** The zones of some nodes, each with how many of its nodes are active. */
function zonesOf(nodes: readonly ClusterNode[]): { value: string; text: string }[] {
  const zones = [...new Set(nodes.map((node) => node.zone))].filter(Boolean).sort();
  return zones.map((zone) => {
    const inside = nodes.filter((node) => node.zone === zone);
    const active = inside.filter((node) => conditionOf(node) === "active").length;
    return { value: zone, text: `${zone}: ${active} of ${inside.length} active` };
  });
}

/** Whether a text is in a node's name, its zone, its condition or its standing. */
function matches(node: ClusterNode, text: string): boolean {
  const words = [hostOf(node.url), node.zone, conditionOf(node), node.standing || "not a member"];
  return words.some((word) => word.toLowerCase().includes(text.trim().toLowerCase()));
}

interface Props {
  snapshot: WatchClusterResponse;
  urls: readonly string[];
  heardAt: number;
  samples: ReadonlyMap<string, readonly Sample[]>;
}

/** All nodes, as cards or as a table, or those that match. */
export function NodesPart({ snapshot, urls, heardAt, samples }: Props) {
  const [view, setView] = useText("view");
  const [filter, setFilter] = useText("filter");
  const [zone, setZone] = useText("zone");
  const { nodes } = snapshot;
  const usual: View = nodes.length > MOST_CARDS ? "table" : "cards";
  const shown = VIEWS.find((one) => one === view) ?? usual;
  const zones = zonesOf(nodes);
  const chosen = nodes.filter((node) => (!zone || node.zone === zone) && matches(node, filter));
  return (
    <div className="space-y-2">
      <div className="flex flex-wrap items-end gap-2">
        <Input
          label="Filter nodes"
          placeholder="name, zone, condition"
          value={filter}
          onText={setFilter}
          className="w-52"
        />
        {zones.length > 0 && (
          <Choice
            label="Zone"
            value={zone}
            options={[
              { value: "", text: zones.length === 1 ? "all" : `all ${zones.length} zones` },
              ...zones,
            ]}
            onChoice={setZone}
            className="w-48"
          />
        )}
        <div className="ml-auto">
          <Segments
            label="View of the nodes"
            value={shown}
            options={VIEWS}
            onChoice={(next) => setView(next === usual ? "" : next)}
          />
        </div>
      </div>
      {chosen.length === 0 && <Quiet>None of {nodes.length} nodes matches.</Quiet>}
      {shown === "table" && chosen.length > 0 && (
        <NodeTable nodes={chosen} urls={urls} reporter={snapshot.nodeUrl} heardAt={heardAt} />
      )}
      {shown === "cards" && (
        <ul aria-label="Nodes" className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
          {chosen.map((node) => (
            <NodeCard
              key={node.url}
              node={node}
              urls={urls}
              isReporter={node.url === snapshot.nodeUrl}
              heardAt={heardAt}
              samples={samples.get(node.url) ?? []}
            />
          ))}
        </ul>
      )}
    </div>
  );
}
