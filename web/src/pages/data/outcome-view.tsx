import type { Receipt } from "../../gen/limedbpb/v1/record_pb";
import { figure, timeOf } from "../../lib/format";
import { Facts } from "../../ui/facts";
import { Trouble } from "../../ui/panel";
import type { Outcome } from "./commands";
import { ValueView } from "./value-view";

function ReceiptView({ receipt }: { receipt: Receipt }) {
  return (
    <div data-testid="receipt" className="mt-2 rounded-md border border-line bg-ground p-2.5">
      <Facts
        facts={[
          ["version", `${receipt.version} (${timeOf(receipt.version)})`],
          ["epoch", receipt.epoch.toString()],
          ["on disk at", `${receipt.acked} of ${receipt.replicas} replicas`],
        ]}
      />
    </div>
  );
}

/** The outcome of a command. */
export function OutcomeView({ outcome }: { outcome: Outcome }) {
  return (
    <div data-testid="outcome" className="mt-3 border-line border-t pt-3">
      {outcome.isError ? (
        <Trouble>{outcome.text}</Trouble>
      ) : (
        <p role="status" className="break-words text-[13px]">
          {outcome.text} <span className="text-muted text-xs">in {figure(outcome.ms)} ms</span>
        </p>
      )}
      {outcome.content !== undefined && <ValueView key={outcome.id} content={outcome.content} />}
      {outcome.receipt && <ReceiptView receipt={outcome.receipt} />}
    </div>
  );
}
