import { useState } from "react";
import { useCluster } from "../../api/use-feed";
import { go, useRoute } from "../../lib/router";
import { Browser } from "./browser";
import { Executor } from "./executor";
import { KeyDetail } from "./key-detail";

/** Reading, writing and looking for keys. */
export function DataPage() {
  const { facts } = useRoute();
  const urls = useCluster().snapshot?.nodes.map((node) => node.url) ?? [];
  const key = facts.get("key") ?? "";
  const prefix = facts.get("prefix") ?? "";
  const holder = facts.get("holder") ?? "";
  const [changes, setChanges] = useState(0);
  const show = (asked: Record<string, string>) => go("/dashboard/data", { key, prefix, holder, ...asked });
  const onChange = () => setChanges((before) => before + 1);
  return (
    <div className="grid items-start gap-3 xl:grid-cols-[minmax(0,6fr)_minmax(0,5fr)]">
      <div className="space-y-3">
        <Executor urls={urls} onChange={onChange} />
        <Browser
          key={`${holder} ${prefix}`}
          prefix={prefix}
          holder={holder}
          urls={urls}
          chosen={key}
          changes={changes}
          onPrefix={(text) => show({ prefix: text })}
          onHolder={(url) => show({ holder: url })}
          onChoice={(text) => show({ key: text })}
        />
      </div>
      <div className="xl:sticky xl:top-16">
        <KeyDetail key={key} name={key} urls={urls} changes={changes} onChange={onChange} />
      </div>
    </div>
  );
}
