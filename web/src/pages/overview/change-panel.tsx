import type { Change, ChangeProgress } from "../../gen/limedbpb/v1/cluster_pb";
import { count, figure, hostOf, percent } from "../../lib/format";
import { Meter } from "../../ui/meter";
import { Panel, Quiet } from "../../ui/panel";

function Progress({ of }: { of: ChangeProgress }) {
  const share = of.isDone ? 1 : of.spans === 0 ? 0 : of.spansDone / of.spans;
  return (
    <li className="grid grid-cols-[8rem_minmax(6rem,1fr)_minmax(0,max-content)] items-center gap-3 text-xs">
      <span className="truncate font-mono">{hostOf(of.url)}</span>
      <Meter label={`${hostOf(of.url)} has fetched`} share={share} />
      <span className="text-right font-mono text-muted">
        {percent(share, 0)} · {count(of.keys)} keys · {figure(of.keysPerSecond)}/s
        {of.waitingFor && ` · waits for ${of.waitingFor}`}
      </span>
    </li>
  );
}

/** The change of the topology under way: a join, a departure, a removal. */
export function ChangePanel({ change }: { change: Change | undefined }) {
  if (!change) return null;
  return (
    <Panel title="Change in progress" aside={`epoch ${change.epoch} · ${change.phase}`}>
      <p className="mb-2 text-[13px]">{change.what}</p>
      {change.progress.length === 0 && <Quiet>No new owner has answered yet.</Quiet>}
      <ul className="space-y-1.5">
        {change.progress.map((progress) => (
          <Progress key={progress.url} of={progress} />
        ))}
      </ul>
    </Panel>
  );
}
