import { useCluster } from "../../api/use-feed";
import { Quiet, Trouble } from "../../ui/panel";
import { ChangePanel } from "./change-panel";
import { EventsPanel } from "./events-panel";
import { NodeCard } from "./node-card";
import { RepairPanel } from "./repair-panel";
import { RingPanel } from "./ring-panel";
import { Summary } from "./summary";
import { TrafficPanels } from "./traffic-panels";

/** The cluster at a glance. */
export function OverviewPage() {
  const feed = useCluster();
  const { snapshot } = feed;
  if (!snapshot)
    return feed.trouble ? <Trouble>{feed.trouble}</Trouble> : <Quiet>Waiting for the cluster…</Quiet>;
  const urls = snapshot.nodes.map((node) => node.url);
  return (
    <div className={`space-y-3 ${feed.state === "lost" ? "opacity-60" : ""}`}>
      {[snapshot.problem, ...snapshot.warnings].filter(Boolean).map((text) => (
        <Trouble key={text}>{text}</Trouble>
      ))}
      <Summary snapshot={snapshot} />
      <ChangePanel change={snapshot.change} />
      <ul aria-label="Nodes" className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
        {snapshot.nodes.map((node) => (
          <NodeCard
            key={node.url}
            node={node}
            urls={urls}
            isReporter={node.url === snapshot.nodeUrl}
            samples={feed.samples.get(node.url) ?? []}
          />
        ))}
      </ul>
      <div className="grid gap-3 xl:grid-cols-[minmax(0,7fr)_minmax(0,5fr)]">
        <RingPanel snapshot={snapshot} urls={urls} />
        <div className="space-y-3">
          <TrafficPanels samples={feed.samples} urls={urls} />
        </div>
      </div>
      <div className="grid gap-3 xl:grid-cols-2">
        <RepairPanel snapshot={snapshot} urls={urls} />
        <EventsPanel snapshot={snapshot} />
      </div>
    </div>
  );
}
