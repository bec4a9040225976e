import type { WatchClusterResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { clock } from "../../lib/format";
import { Panel, Quiet } from "../../ui/panel";
import { eventsUpTo } from "./events";

export function EventsPanel({ snapshot }: { snapshot: WatchClusterResponse }) {
  const events = eventsUpTo(snapshot);
  return (
    <Panel title="Events" aside="since this page was opened">
      {events.length === 0 && <Quiet>Nothing has changed.</Quiet>}
      <ol aria-label="Events" className="max-h-52 space-y-1 overflow-y-auto text-xs">
        {events.map((event) => (
          <li key={event.id} className="flex gap-3">
            <time className="font-mono text-muted">{clock(event.at)}</time>
            <span className="break-words">{event.text}</span>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
