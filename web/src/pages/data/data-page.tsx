import { useEffect, useRef, useState } from "react";
import { useCluster } from "../../api/use-feed";
import { go, useRoute } from "../../lib/router";
import { Browser } from "./browser";
import { Executor } from "./executor";
import { KeyDetail } from "./key-detail";

/** Whether a part is below the visible part of a narrow screen. */
function isBelow(part: HTMLElement | null): boolean {
  return part !== null && part.getBoundingClientRect().top > window.innerHeight - 120;
}

/** Reading, writing and searching keys. */
export function DataPage() {
  const { facts } = useRoute();
  const urls = useCluster().snapshot?.nodes.map((node) => node.url) ?? [];
  const key = facts.get("key") ?? "";
  const prefix = facts.get("prefix") ?? "";
  const holder = facts.get("holder") ?? "";
  const [changes, setChanges] = useState(0);
  const show = (asked: Record<string, string>) => go("/dashboard/data", { key, prefix, holder, ...asked });
  const onChange = () => setChanges((before) => before + 1);
  const detail = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (key && isBelow(detail.current)) {
      detail.current?.scrollIntoView();
    }
  }, [key]);
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
      <div ref={detail} className="scroll-mt-14 xl:sticky xl:top-16">
        <KeyDetail key={key} name={key} urls={urls} changes={changes} onChange={onChange} />
      </div>
    </div>
  );
}
