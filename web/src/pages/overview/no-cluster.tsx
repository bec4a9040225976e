import { Panel, Trouble } from "../../ui/panel";

/** What the first page shows while no node answers. */
export function NoCluster({ trouble }: { trouble: string }) {
  return (
    <Panel title="No node answers">
      <Trouble>{trouble}</Trouble>
      <p className="mt-3 text-[13px] leading-6">
        The dashboard shows the cluster as soon as one of its nodes answers: this page tries again by itself.
        On the machine of the cluster, <code>limedb cluster status</code> shows which nodes run,{" "}
        <code>limedb cluster logs</code> why one doesn't, and <code>limedb cluster start</code> starts them.
      </p>
    </Panel>
  );
}
