import { useState } from "react";
import { explain, hasChanged } from "../../api/errors";
import { deleteKey, type Found } from "../../api/keys";
import { useNow } from "../../lib/clock";
import { clock, seconds } from "../../lib/format";
import { useReadOnly } from "../../lib/read-only";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/confirm";
import { Foreign } from "../../ui/foreign";
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

/** When a value expires, and how soon. */
function Life({ endsAt }: { endsAt: number }) {
  const left = Math.max(0, Math.round((endsAt - useNow(true)) / 1000));
  return (
    <Quiet>
      It expires at {clock(endsAt)}, in <span data-testid="countdown">{seconds(left)}</span>.
    </Quiet>
  );
}

/** One key: its value, its replicas, and the ways to change it. */
export function KeyDetail(props: Props) {
  if (props.name) return <ChosenKey {...props} />;
  return (
    <Panel title="Key">
      <Quiet>Choose a key to see its value and its replicas.</Quiet>
    </Panel>
  );
}

function ChosenKey({ name, urls, changes, onChange }: Props) {
  const { found, located, trouble, isRead, isFollowed, read } = useKey(name, changes);
  const [opened, setOpened] = useState<Found>();
  const [deleting, setDeleting] = useState<Found>();
  const [failed, setFailed] = useState("");
  const isReadOnly = useReadOnly();
  const done = () => {
    setOpened(undefined);
    setDeleting(undefined);
    onChange();
  };
  const remove = () =>
    deleteKey(name, "default", {}, deleting)
      .then(() => setFailed(""))
      .catch((error: unknown) =>
        setFailed(hasChanged(error) ? "Somebody changed it meanwhile: it was not deleted." : explain(error)),
      )
      .finally(done);
  const buttons = found && !opened && !deleting && !isReadOnly && (
    <>
      <Button className="text-ink" onClick={() => setOpened(found)}>
        Edit
      </Button>
      <Button kind="danger" onClick={() => setDeleting(found)}>
        Delete
      </Button>
    </>
  );
  return (
    <Panel title="Key" aside={buttons}>
      <p data-testid="key-name" className="break-all font-medium font-mono text-[13px]">
        <Foreign text={name} />
      </p>
      {(trouble || failed) && <Trouble>{failed || trouble}</Trouble>}
      {isRead && !found && !trouble && <Quiet>It has no value.</Quiet>}
      {found && found.expiresAtMs > 0 && <Life endsAt={found.expiresAtMs} />}
      {isRead && !isFollowed && !trouble && <Quiet>Changes by others don't show by themselves now.</Quiet>}
      {found && !opened && <ValueView key={found.version.toString()} content={found.content} />}
      {opened && (
        <Editor
          name={name}
          opened={opened}
          now={found}
          onDone={done}
          onFaster={read}
          onTheirs={done}
          onCancel={() => setOpened(undefined)}
        />
      )}
      <div className="mt-4">{located && <Owners located={located} urls={urls} />}</div>
      {deleting && (
        <Confirm
          title="Delete this key?"
          action="Delete"
          onConfirm={remove}
          onCancel={() => setDeleting(undefined)}
        >
          <code className="break-all">
            <Foreign text={name} />
          </code>{" "}
          will be deleted on all its replicas.
        </Confirm>
      )}
    </Panel>
  );
}
