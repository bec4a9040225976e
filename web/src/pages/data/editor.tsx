import { useState } from "react";
import { explain } from "../../api/errors";
import { writeKey } from "../../api/keys";
import { type Content, fromHex, toHex } from "../../lib/content";
import { Button } from "../../ui/button";
import { Area } from "../../ui/field";
import { Trouble } from "../../ui/panel";

interface Props {
  name: string;
  content: Content;
  endsAt: number;
  onDone: () => void;
  onCancel: () => void;
}

/** Changes a value: text as text, bytes as hex. A value keeps the time at which it expires. */
export function Editor({ name, content, endsAt, onDone, onCancel }: Props) {
  const isText = typeof content === "string";
  const [text, setText] = useState(isText ? content : toHex(content));
  const [trouble, setTrouble] = useState("");
  const save = async () => {
    try {
      const ttlMs = endsAt > 0 ? Math.max(1, endsAt - Date.now()) : 0;
      await writeKey(name, isText ? text : fromHex(text), { ttlMs });
      onDone();
    } catch (error) {
      setTrouble(explain(error));
    }
  };
  return (
    <div className="mt-2 space-y-2">
      <Area label={isText ? "New value" : "New value, in hex"} rows={8} value={text} onText={setText} />
      {trouble && <Trouble>{trouble}</Trouble>}
      <div className="flex justify-end gap-2">
        <Button onClick={onCancel}>Cancel</Button>
        <Button kind="primary" onClick={save}>
          Save
        </Button>
      </div>
    </div>
  );
}
