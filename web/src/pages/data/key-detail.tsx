import { useState } from "react";
import { explain } from "../../api/errors";
import { deleteKey } from "../../api/keys";
import { clock } from "../../lib/format";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/confirm";
import { Owners } from "../../ui/owners";
import { Panel, Quiet, Trouble } from "../../ui/panel";
import { Editor } from "./editor";
import { useKey } from "./use-key";
import { ValueView } from "./value-view";

interface Props {
  name: string;
  urls: readonly string[];
  changes: number;
  onChange: () => void;
}

/** One key: its value, its replicas, and the ways to change it. */
export function KeyDetail({ name, urls, changes, onChange }: Props) {
  const { found, located, trouble, isRead } = useKey(name, changes);
  const [doing, setDoing] = useState<"edit" | "delete">();
  const [failed, setFailed] = useState("");
  if (!name) {
    return (
      <Panel title="Key">
        <Quiet>Choose a key to see its value and its replicas.</Quiet>
      </Panel>
    );
  }
  const done = () => {
    setDoing(undefined);
    onChange();
  };
  const remove = () =>
    deleteKey(name)
      .then(() => setFailed(""))
      .catch((error: unknown) => setFailed(explain(error)))
      .finally(done);
  const endsAt = Number(located?.owners.find((owner) => owner.expiresAtMs > 0n)?.expiresAtMs ?? 0n);
  const buttons = found && doing === undefined && (
    <>
      <Button className="text-ink" onClick={() => setDoing("edit")}>
        Edit
      </Button>
      <Button kind="danger" onClick={() => setDoing("delete")}>
        Delete
      </Button>
    </>
  );
  return (
    <Panel title="Key" aside={buttons}>
      <p data-testid="key-name" className="break-all font-medium font-mono text-[13px]">
        {name}
      </p>
      {(trouble || failed) && <Trouble>{failed || trouble}</Trouble>}
      {isRead && !found && !trouble && <Quiet>It has no value.</Quiet>}
      {endsAt > 0 && found && <Quiet>It expires at {clock(endsAt)}.</Quiet>}
      {found && doing !== "edit" && <ValueView key={String(changes)} content={found.content} />}
      {found && doing === "edit" && (
        <Editor
          name={name}
          content={found.content}
          endsAt={endsAt}
          onDone={done}
          onCancel={() => setDoing(undefined)}
        />
      )}
      <div className="mt-4">{located && <Owners located={located} urls={urls} />}</div>
      {doing === "delete" && (
        <Confirm
          title="Delete this key?"
          action="Delete"
          onConfirm={remove}
          onCancel={() => setDoing(undefined)}
        >
          <code className="break-all">{name}</code> will be deleted on all its replicas.
        </Confirm>
      )}
    </Panel>
  );
}
