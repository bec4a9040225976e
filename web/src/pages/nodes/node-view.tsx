import { useState } from "react";
import { useCluster, useNodeFeed } from "../../api/use-feed";
import { clock, hostOf } from "../../lib/format";
import { go } from "../../lib/router";
import { Panel, Quiet, Trouble } from "../../ui/panel";
import { Segments } from "../../ui/segments";
import { KeyTable } from "../data/key-table";
import { useKeys } from "../data/use-keys";
import { GossipMap } from "./gossip-map";
import { NodeFigures } from "./node-figures";
import { OperateView } from "./operate-view";
import { RawView } from "./raw-view";

const VIEWS = ["figures", "gossip", "keys", "raw", "operate"] as const;

function OwnKeys({ url }: { url: string }) {
  const keys = useKeys("", url, 0);
  return <KeyTable keys={keys} onChoice={(key) => go("/dashboard/data", { key })} />;
}

/** Since when there is no data, in words. */
function since(heardAt: number): string {
  return heardAt > 0 ? `, no data since ${clock(heardAt)}` : "";
}

/** One node's own view of itself and of the others. */
export function NodeView({ url, urls }: { url: string; urls: readonly string[] }) {
  const feed = useNodeFeed(url);
  const course = useCluster().samples.get(url) ?? []; // since the dashboard was opened
  const [view, setView] = useState<(typeof VIEWS)[number]>("figures");
  const report = feed.state === "live" ? feed.report : undefined;
  return (
    <Panel
      title={hostOf(url)}
      aside={<Segments label={`View of ${hostOf(url)}`} value={view} options={VIEWS} onChoice={setView} />}
    >
      {feed.state === "lost" && (
        <Trouble>{`It does not answer${since(feed.heardAt)}: ${feed.trouble}`}</Trouble>
      )}
      {feed.state === "connecting" && <Quiet>Waiting for the node…</Quiet>}
      {report && view === "figures" && <NodeFigures url={url} report={report} urls={urls} samples={course} />}
      {report && view === "gossip" && (
        <GossipMap own={url} nodes={report.state.members} heardAt={feed.heardAt} urls={urls} />
      )}
      {view === "keys" && <OwnKeys url={url} />}
      {view === "raw" && <RawView url={url} />}
      {view === "operate" && <OperateView url={url} />}
    </Panel>
  );
}
