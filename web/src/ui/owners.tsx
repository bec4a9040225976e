import type { KeyOwner, LocateKeyResponse } from "../gen/limedbpb/v1/cluster_pb";
import { bytes, hostOf, timeOf } from "../lib/format";
import { colourOf } from "../lib/nodes";
import { Swatch } from "./condition";
import { Foreign } from "./foreign";
import { Code, Table } from "./table";

function holds(owner: KeyOwner): string {
  if (owner.error) return owner.error;
  if (!owner.hasRecord) return "nothing";
  return owner.tombstone ? "a tombstone" : bytes(owner.size);
}

/** The nodes that hold a key, and their versions. */
export function Owners({ located, urls }: { located: LocateKeyResponse; urls: readonly string[] }) {
  const newest =
    located.owners.map((owner) => owner.version).sort((one, other) => (one < other ? 1 : -1))[0] ?? 0n;
  return (
    <div>
      <p className="mb-2 text-muted text-xs">
        <code className="break-all text-ink">
          <Foreign text={located.key} />
        </code>{" "}
        has the token <code data-testid="token">{located.token.toString()}</code>
      </p>
      <Table label="Replicas" columns={["replica", "role", "holds", "written>"]}>
        {located.owners.map((owner) => (
          <tr key={owner.url}>
            <td className="whitespace-nowrap font-mono text-xs">
              <Swatch colour={colourOf(urls, owner.url)} /> {hostOf(owner.url)}
            </td>
            <td className="text-xs">{owner.role}</td>
            <td className={`text-xs ${owner.error ? "text-bad" : ""}`}>{holds(owner)}</td>
            <Code right>
              <span
                title={`version ${owner.version}`}
                className={owner.hasRecord && owner.version < newest ? "text-warn" : ""}
              >
                {owner.hasRecord ? timeOf(owner.version) : "–"}
              </span>
            </Code>
          </tr>
        ))}
      </Table>
    </div>
  );
}
