import { useRef, useState } from "react";
import { LEVELS, type Level } from "../../api/keys";
import { hostOf } from "../../lib/format";
import { useReadOnly } from "../../lib/read-only";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/confirm";
import { Area, Choice, Input } from "../../ui/field";
import { Foreign } from "../../ui/foreign";
import { Panel } from "../../ui/panel";
import { Segments } from "../../ui/segments";
import { COMMANDS, type Command, type Outcome, run } from "./commands";
import { History } from "./history";
import { OutcomeView } from "./outcome-view";

const KEPT = 20;
const START: Command = { verb: "GET", key: "", value: "", ttl: "", level: "default", node: "" };
const levels = (Object.keys(LEVELS) as Level[]).map((value) => ({ value, text: value }));

/** One request at a time, with all its options. */
export function Executor({ urls, onChange }: { urls: readonly string[]; onChange: () => void }) {
  const [command, setCommand] = useState(START);
  const [outcomes, setOutcomes] = useState<readonly Outcome[]>([]);
  const [isRunning, setRunning] = useState(false);
  const stop = useRef<AbortController>(null);
  const isReadOnly = useReadOnly();
  const [isAsking, setAsking] = useState(false);
  const change = (part: Partial<Command>) => setCommand({ ...command, ...part });
  const nodes = [{ value: "", text: "any" }, ...urls.map((url) => ({ value: url, text: hostOf(url) }))];
  const execute = async () => {
    setRunning(true);
    const control = new AbortController();
    stop.current = control;
    const outcome = await run(command, control.signal);
    setOutcomes((before) => [outcome, ...before].slice(0, KEPT));
    setRunning(false);
    if (command.verb !== "GET") onChange();
  };
  return (
    <Panel title="Run a command">
      <form
        className="space-y-3"
        onSubmit={(event) => {
          event.preventDefault();
          if (command.verb === "DEL") setAsking(true);
          else void execute();
        }}
      >
        <div className="flex flex-wrap items-end gap-2">
          <Segments
            label="Command"
            value={command.verb}
            options={COMMANDS}
            onChoice={(verb) => change({ verb })}
          />
          <Input
            label="Key"
            isCode
            value={command.key}
            onText={(key) => change({ key })}
            className="min-w-44 grow"
          />
        </div>
        {command.verb === "SET" && (
          <Area label="Value" rows={3} value={command.value} onText={(value) => change({ value })} />
        )}
        <div className="flex flex-wrap items-end gap-2">
          <Choice
            label="Consistency"
            value={command.level}
            options={levels}
            onChoice={(level) => change({ level })}
            className="w-32"
          />
          <Choice
            label="Ask node"
            value={command.node}
            options={nodes}
            onChoice={(node) => change({ node })}
            className="w-40"
          />
          {command.verb === "SET" && (
            <Input
              label="TTL, seconds"
              inputMode="decimal"
              placeholder="forever"
              value={command.ttl}
              onText={(ttl) => change({ ttl })}
              className="w-28"
            />
          )}
          {isRunning && (
            <Button className="ml-auto" onClick={() => stop.current?.abort()}>
              Cancel
            </Button>
          )}
          <Button
            type="submit"
            kind="primary"
            disabled={!command.key || isRunning || (isReadOnly && command.verb !== "GET")}
            className={isRunning ? "" : "ml-auto"}
          >
            Run
          </Button>
        </div>
      </form>
      {isAsking && (
        <Confirm
          title="Delete this key?"
          action="Delete"
          onConfirm={() => {
            setAsking(false);
            void execute();
          }}
          onCancel={() => setAsking(false)}
        >
          <code className="break-all">
            <Foreign text={command.key} />
          </code>{" "}
          will be deleted, whatever its value is.
        </Confirm>
      )}
      {outcomes[0] && <OutcomeView outcome={outcomes[0]} />}
      {outcomes.length > 0 && <History outcomes={outcomes} onChoice={setCommand} />}
    </Panel>
  );
}
