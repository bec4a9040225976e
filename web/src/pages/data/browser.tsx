import { useState } from "react";
import { hostOf } from "../../lib/format";
import { Button } from "../../ui/button";
import { Choice, Input } from "../../ui/field";
import { Panel } from "../../ui/panel";
import { KeyTable } from "./key-table";
import { useKeys } from "./use-keys";

interface Props {
  prefix: string;
  holder: string;
  urls: readonly string[];
  chosen: string;
  changes: number;
  onPrefix: (prefix: string) => void;
  onHolder: (url: string) => void;
  onChoice: (key: string) => void;
}

/** Keys by prefix: of all nodes, merged by the cluster, or of one node's own store. */
export function Browser({ prefix, holder, urls, chosen, changes, onPrefix, onHolder, onChoice }: Props) {
  const [text, setText] = useState(prefix);
  const [asked, setAsked] = useState(0);
  const keys = useKeys(prefix, holder, changes + asked);
  const nodes = [{ value: "", text: "all nodes" }, ...urls.map((url) => ({ value: url, text: hostOf(url) }))];
  return (
    <Panel title="Keys" aside={holder ? "in this node's own store" : "in key order, each once"}>
      <form
        className="mb-3 flex flex-wrap items-end gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          if (text === prefix) setAsked(asked + 1);
          else onPrefix(text);
        }}
      >
        <Input
          label="Prefix"
          placeholder="all keys"
          isCode
          value={text}
          onText={setText}
          className="min-w-40 grow"
        />
        <Choice label="Held by" value={holder} options={nodes} onChoice={onHolder} className="w-40" />
        <Button type="submit">Search</Button>
      </form>
      <KeyTable keys={keys} chosen={chosen} onChoice={onChoice} />
    </Panel>
  );
}
