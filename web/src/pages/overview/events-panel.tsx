import type { HistoryNow } from "../../api/use-history";
import type { ClusterEvent } from "../../gen/limedbpb/v1/cluster_pb";
import { clock, hostOf } from "../../lib/format";
import { Foreign } from "../../ui/foreign";
import { Panel, Quiet, Trouble } from "../../ui/panel";
import { Scroll } from "../../ui/scroll";

function Event({ event, nodes }: { event: ClusterEvent; nodes: number }) {
  return (
    <li className="flex gap-3">
      <time className="whitespace-nowrap font-mono text-muted">{clock(Number(event.atMs))}</time>
      <span className="w-14 shrink-0 text-muted">{event.kind}</span>
      <span className="break-words">
        <Foreign text={event.text} />
        {event.seenBy.length < nodes && (
          <span className="text-muted"> · seen by {event.seenBy.map(hostOf).join(", ")}</span>
        )}
      </span>
    </li>
  );
}

/** What happened in a time, as the nodes remember it. range: the time in words. */
export function EventsPanel({ past, range }: { past: HistoryNow; range: string }) {
  const events = past.history?.events ?? [];
  return (
    <Panel title="Events" aside={`the last ${range}, as the nodes have seen them`}>
      {!past.history && past.trouble && <Trouble>{past.trouble}</Trouble>}
      {past.history && events.length === 0 && <Quiet>Nothing has happened.</Quiet>}
      <Scroll label="All events" className="max-h-64 overflow-y-auto">
        <ol aria-label="Events" className="space-y-1 text-xs">
          {events.map((event) => (
            <Event
              key={`${event.atMs} ${event.kind} ${event.text}`}
              event={event}
              nodes={past.history?.nodes.length ?? 0}
            />
          ))}
        </ol>
      </Scroll>
    </Panel>
  );
}
