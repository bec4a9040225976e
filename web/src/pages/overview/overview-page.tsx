import { useCluster } from "../../api/use-feed";
import { useHistory } from "../../api/use-history";
import type { WatchClusterResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { clock } from "../../lib/format";
import { conditionOf, membersOf, outdated } from "../../lib/nodes";
import { useWord } from "../../lib/router";
import { Quiet, Trouble } from "../../ui/panel";
import { ChangePanel } from "./change-panel";
import { EventsPanel } from "./events-panel";
import { FiguresPart, RANGES, secondsOf } from "./figures-part";
import { NoCluster } from "./no-cluster";
import { NodesPart } from "./nodes-part";
import { RepairPanel } from "./repair-panel";
import { RingPanel } from "./ring-panel";
import { Summary } from "./summary";

/** What differs after each change that events have, too. */
function markOf(snapshot: WatchClusterResponse | undefined): string {
  const nodes = snapshot?.nodes.map((node) => `${node.url} ${conditionOf(node)} ${node.generation}`) ?? [];
  return `${snapshot?.epoch} ${nodes.join()}`;
}

/** The cluster at a glance. */
export function OverviewPage() {
  const feed = useCluster();
  const [range, setRange] = useWord("range", RANGES);
  const past = useHistory(secondsOf(range), markOf(feed.snapshot));
  if (!feed.snapshot)
    return feed.trouble ? <NoCluster trouble={feed.trouble} /> : <Quiet>Waiting for the cluster…</Quiet>;
  const isLive = feed.state !== "lost";
  const snapshot = isLive ? feed.snapshot : outdated(feed.snapshot);
  const urls = snapshot.nodes.map((node) => node.url);
  return (
    <div className="space-y-3">
      {!isLive && (
        <Trouble>{`Connection lost, no data since ${clock(feed.heardAt)}: ${feed.trouble}`}</Trouble>
      )}
      {isLive &&
        [snapshot.problem, ...snapshot.warnings]
          .filter(Boolean)
          .map((text) => <Trouble key={text}>{text}</Trouble>)}
      <Summary snapshot={snapshot} isLive={isLive} />
      <ChangePanel change={snapshot.change} />
      <NodesPart snapshot={snapshot} urls={urls} heardAt={feed.heardAt} samples={feed.samples} />
      <FiguresPart feed={feed} urls={urls} range={range} onRange={setRange} past={past} />
      <RingPanel snapshot={snapshot} members={membersOf(snapshot)} urls={urls} />
      <div className="grid gap-3 xl:grid-cols-2">
        <RepairPanel snapshot={snapshot} urls={urls} isLive={isLive} heardAt={feed.heardAt} />
        <EventsPanel past={past} range={range === "live" ? "15 min" : range} />
      </div>
    </div>
  );
}
