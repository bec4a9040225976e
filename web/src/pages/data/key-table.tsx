import { bytes, clock, timeOf } from "../../lib/format";
import { visibleText } from "../../lib/visible";
import { Button } from "../../ui/button";
import { Foreign } from "../../ui/foreign";
import { Quiet, Trouble } from "../../ui/panel";
import { Code, Table } from "../../ui/table";
import type { Keys } from "./use-keys";

/** A page of keys, with buttons to the others. */
export function KeyTable(props: { keys: Keys; chosen?: string; onChoice: (key: string) => void }) {
  const { page, number, trouble, next, previous } = props.keys;
  if (trouble) return <Trouble>{trouble}</Trouble>;
  if (!page) return <Quiet>Reading…</Quiet>;
  return (
    <>
      {page.entries.length === 0 && <Quiet>No keys here.</Quiet>}
      {page.entries.length > 0 && (
        <Table label="Key list" columns={["key", "size>", "written>", "expires>"]}>
          {page.entries.map((entry) => (
            <tr key={entry.key} className={entry.key === props.chosen ? "bg-raised" : "hover:bg-raised/60"}>
              <td className="w-full max-w-0">
                <button
                  type="button"
                  title={visibleText(entry.key)}
                  onClick={() => props.onChoice(entry.key)}
                  className="block w-full truncate text-left font-mono text-xs hover:text-accent-text"
                >
                  <Foreign text={entry.key} />
                </button>
              </td>
              <Code right>{bytes(entry.size)}</Code>
              <Code right>{timeOf(entry.version)}</Code>
              <Code right>{entry.expiresAtMs === 0n ? "–" : clock(Number(entry.expiresAtMs))}</Code>
            </tr>
          ))}
        </Table>
      )}
      <div className="mt-3 flex items-center justify-between">
        <Button onClick={previous} disabled={number === 1}>
          Previous
        </Button>
        <span className="text-muted text-xs">page {number}</span>
        <Button onClick={next} disabled={page.after === undefined}>
          Next
        </Button>
      </div>
    </>
  );
}
