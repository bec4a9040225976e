import { useEffect, useState } from "react";
import { explain, hasChanged } from "../../api/errors";
import { type Found, replaceKey } from "../../api/keys";
import { bytesOf, type Content, fromHex, textFrom, toHex } from "../../lib/content";
import { indented, isJson } from "../../lib/json";
import { lineEndOf, withLineEnd } from "../../lib/lines";
import { keepDraft } from "../../lib/router";
import { Button } from "../../ui/button";
import { Area, Choice, Input } from "../../ui/field";
import { Quiet, Trouble } from "../../ui/panel";
import { ttlMs } from "./ttl";

const LIVES = [
  { value: "kept", text: "when it would have" },
  { value: "never", text: "never" },
  { value: "after", text: "after some time" },
] as const;
type Life = (typeof LIVES)[number]["value"];

/** How a content is edited: text as text, unless a form's field would change it; else as hex. */
interface Form {
  text: string;
  isHex: boolean;
  lineEnd: string;
  of: "text" | "bytes";
}

function formOf(content: Content): Form {
  const of = typeof content === "string" ? "text" : "bytes";
  const lineEnd = typeof content === "string" ? lineEndOf(content) : undefined;
  if (typeof content !== "string" || lineEnd === undefined)
    return { text: toHex(bytesOf(content)), isHex: true, lineEnd: "\n", of };
  return { text: content.replaceAll(lineEnd, "\n"), isHex: false, lineEnd, of };
}

/** The content of an edited form. Error: it isn't valid. */
function contentOf(form: Form, text: string): Content {
  if (!form.isHex) return withLineEnd(text, form.lineEnd);
  return form.of === "text" ? textFrom(fromHex(text)) : fromHex(text);
}

function labelOf({ isHex, of }: Form): string {
  if (!isHex) return "New value";
  return of === "bytes" ? "New value, in hex" : "New value, in hex, since its lines end in different ways";
}

interface Props {
  name: string;
  opened: Found;
  now: Found | undefined;
  onDone: () => void;
  onFaster: () => void;
  onTheirs: () => void;
  onCancel: () => void;
}

/** Changes a value, if nobody has changed it since: otherwise it asks. opened: the value when editing began;
 * now: the present one. */
export function Editor({ name, opened, now, onDone, onFaster, onTheirs, onCancel }: Props) {
  const [form] = useState(() => formOf(opened.content));
  const [text, setText] = useState(form.text);
  const [life, setLife] = useState<Life>("kept");
  const [ttl, setTtl] = useState("");
  const [trouble, setTrouble] = useState("");
  const isDirty = text !== form.text || life !== "kept";
  const isOther = now?.version !== opened.version;
  useEffect(() => {
    keepDraft(isDirty);
    return () => keepDraft(false);
  }, [isDirty]);
  const save = async (over: Found | undefined) => {
    try {
      const ms = life === "kept" ? undefined : life === "never" ? 0 : ttlMs(ttl);
      if (life === "after" && ms === 0) throw new Error("the TTL must be more than 0 seconds");
      await replaceKey(name, contentOf(form, text), over, ms);
      keepDraft(false);
      onDone();
    } catch (error) {
      const isLate = hasChanged(error);
      setTrouble(isLate ? "Somebody else was faster: nothing was saved." : explain(error));
      if (isLate) onFaster();
    }
  };
  const isText = !form.isHex;
  const tokens = isText && isJson(opened.content as string) ? indented(text) : undefined;
  return (
    <div className="mt-2 space-y-2">
      <Area label={labelOf(form)} rows={8} value={text} onText={setText} />
      {isText && isJson(opened.content as string) && (
        <div className="flex items-center justify-between">
          <Quiet>{tokens ? "It is JSON." : "It is not valid JSON any more."}</Quiet>
          <Button disabled={!tokens} onClick={() => setText((tokens ?? []).map((one) => one.text).join(""))}>
            Indent
          </Button>
        </div>
      )}
      {isText && form.lineEnd !== "\n" && (
        <Quiet>Its lines end with {form.lineEnd === "\r" ? "CR" : "CR and LF"}, and will.</Quiet>
      )}
      <div className="flex items-end gap-2">
        <Choice label="It expires" value={life} options={LIVES} onChoice={setLife} className="w-44" />
        {life === "after" && (
          <Input label="TTL, seconds" inputMode="decimal" value={ttl} onText={setTtl} className="w-28" />
        )}
      </div>
      {trouble && <Trouble>{trouble}</Trouble>}
      {isOther ? (
        <div role="alert" className="rounded-md border border-warn/50 bg-warn/10 p-3 text-[13px]">
          {now
            ? "It was changed since you opened it."
            : "It has expired, or was deleted, since you opened it."}
          <div className="mt-2 flex flex-wrap justify-end gap-2">
            <Button onClick={onCancel}>Cancel</Button>
            <Button onClick={onTheirs}>{now ? "Show the new value" : "Leave it so"}</Button>
            <Button kind="danger" onClick={() => save(now)}>
              {now ? "Save over it" : "Save it again"}
            </Button>
          </div>
        </div>
      ) : (
        <div className="flex justify-end gap-2">
          <Button onClick={onCancel}>Cancel</Button>
          <Button kind="primary" onClick={() => save(opened)}>
            Save
          </Button>
        </div>
      )}
    </div>
  );
}
