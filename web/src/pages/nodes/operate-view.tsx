import { useEffect, useRef, useState } from "react";
import { explain } from "../../api/errors";
import { type ChangeName, change } from "../../api/operating";
import { useCluster } from "../../api/use-feed";
import type { ChangePlan } from "../../gen/limedbpb/v1/admin_pb";
import { count } from "../../lib/format";
import { conditionOf } from "../../lib/nodes";
import { useReadOnly } from "../../lib/read-only";
import { Button } from "../../ui/button";
import { Meter } from "../../ui/meter";
import { Quiet, Trouble } from "../../ui/panel";
import { PlanDialog } from "./plan-dialog";
import { useRepair } from "./use-repair";

const ACTIONS: Record<ChangeName, { action: string; effect: string }> = {
  decommission: {
    action: "Decommission",
    effect: "It leaves the cluster, once others have fetched its keys.",
  },
  remove: {
    action: "Remove",
    effect: "It is dead for good: others fetch its keys from the remaining replicas.",
  },
  cancel: { action: "Cancel the change", effect: "The change under way is given up, as long as it streams." },
};

/** Plans a change, asks, and begins it. */
function useChange(url: string) {
  const [planned, setPlanned] = useState<{ name: ChangeName; plan: ChangePlan }>();
  const [message, setMessage] = useState({ text: "", isTrouble: false });
  const stop = useRef<AbortController>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const ask = async (name: ChangeName, dryRun: boolean) => {
    stop.current?.abort();
    const control = new AbortController();
    stop.current = control;
    setPlanned(undefined);
    setMessage({ text: "", isTrouble: false });
    try {
      const plan = await change(name, url, dryRun, control.signal);
      if (plan && dryRun) setPlanned({ name, plan });
      else setMessage({ text: `${plan?.what ?? ACTIONS[name].action}: begun`, isTrouble: false });
    } catch (error) {
      if (!control.signal.aborted) setMessage({ text: explain(error), isTrouble: true });
    }
  };
  return { planned, message, ask, drop: () => setPlanned(undefined) };
}

function Repair({ url, isOff }: { url: string; isOff: boolean }) {
  const { now, start, cancel } = useRepair(url);
  const { progress } = now;
  return (
    <section aria-label="Repair" className="space-y-2">
      <div className="flex items-center justify-between gap-3">
        <p className="text-[13px] text-muted">
          All its ranges are made equal to those of their other owners.
        </p>
        {now.isRunning ? (
          <Button onClick={cancel}>Stop</Button>
        ) : (
          <Button disabled={isOff} onClick={() => void start()}>
            Repair
          </Button>
        )}
      </div>
      {progress && (
        <>
          <Meter label="Ranges compared" share={progress.spans ? progress.spansDone / progress.spans : 1} />
          <p role="status" className="text-muted text-xs">
            {progress.finished ? "done: " : ""}
            {count(progress.spansDone)} of {count(progress.spans)} ranges compared, {count(progress.pulled)}{" "}
            records taken, {count(progress.pushed)} given
          </p>
          {Object.entries(progress.missing).map(([owner, why]) => (
            <Quiet key={owner}>{`not compared with ${owner}: ${why}`}</Quiet>
          ))}
        </>
      )}
      {now.trouble && <Trouble>{now.trouble}</Trouble>}
    </section>
  );
}

/** What an operator can do with a node: each change shows its plan first. */
export function OperateView({ url }: { url: string }) {
  const { snapshot } = useCluster();
  const isReadOnly = useReadOnly();
  const { planned, message, ask, drop } = useChange(url);
  const node = snapshot?.nodes.find((one) => one.url === url);
  const isGone = node !== undefined && conditionOf(node) === "dead";
  const names: ChangeName[] = [
    ...(node?.standing === "normal" ? [isGone ? ("remove" as const) : ("decommission" as const)] : []),
    ...(snapshot?.change ? ["cancel" as const] : []),
  ];
  return (
    <div className="space-y-4">
      {isReadOnly && <Quiet>The dashboard is read-only: the switch at the top allows changes.</Quiet>}
      {names.map((name) => (
        <div key={name} className="flex items-center justify-between gap-3">
          <p className="text-[13px] text-muted">{ACTIONS[name].effect}</p>
          <Button kind="danger" disabled={isReadOnly} onClick={() => void ask(name, true)}>
            {ACTIONS[name].action}…
          </Button>
        </div>
      ))}
      {!isGone && <Repair url={url} isOff={isReadOnly} />}
      {message.isTrouble && <Trouble>{message.text}</Trouble>}
      {!message.isTrouble && message.text && (
        <p role="status" className="text-[13px] text-good">
          {message.text}
        </p>
      )}
      {planned && (
        <PlanDialog
          plan={planned.plan}
          action={ACTIONS[planned.name].action}
          onConfirm={() => void ask(planned.name, false)}
          onCancel={drop}
        />
      )}
    </div>
  );
}
