import { useCluster } from "../../api/use-feed";
import { hostOf } from "../../lib/format";
import { go, useRoute } from "../../lib/router";
import { Choice } from "../../ui/field";
import { Quiet } from "../../ui/panel";
import { NodeView } from "./node-view";

/** The cluster as one node sees it, side by side with another node's view. */
export function NodesPage() {
  const { facts } = useRoute();
  const urls = useCluster().snapshot?.nodes.map((node) => node.url) ?? [];
  const node = facts.get("node") || urls[0] || "";
  const other = facts.get("other") ?? "";
  if (!node) return <Quiet>Waiting for the cluster…</Quiet>;
  const choices = urls.map((url) => ({ value: url, text: hostOf(url) }));
  const show = (asked: { node?: string; other?: string }) =>
    go("/dashboard/nodes", { node, other, ...asked });
  return (
    <div className="space-y-3">
      <div className="flex flex-wrap gap-2">
        <Choice
          label="Node"
          value={node}
          options={choices}
          onChoice={(url) => show({ node: url })}
          className="w-44"
        />
        <Choice
          label="Side by side with"
          value={other}
          options={[{ value: "", text: "none" }, ...choices.filter((choice) => choice.value !== node)]}
          onChoice={(url) => show({ other: url })}
          className="w-44"
        />
      </div>
      <div className={`grid items-start gap-3 ${other && other !== node ? "lg:grid-cols-2" : ""}`}>
        {[node, ...(other && other !== node ? [other] : [])].map((url) => (
          <NodeView key={url} url={url} urls={urls} />
        ))}
      </div>
    </div>
  );
}
