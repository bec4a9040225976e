import { count, figure } from "../../lib/format";
import { go } from "../../lib/router";
import { Button } from "../../ui/button";
import { Meter } from "../../ui/meter";
import { Trouble } from "../../ui/panel";
import type { SeedState } from "./use-seeding";

/** The progress of the generator. */
export function SeedProgress({ state }: { state: SeedState }) {
  const { order, written, failed, phase } = state;
  const rate = state.seconds > 0 ? written / state.seconds : 0;
  return (
    <div className="mt-4 space-y-2 border-line border-t pt-4">
      <Meter label="Written" share={(written + failed) / order.count} />
      <div className="flex items-center justify-between text-xs">
        <p role="status" data-testid="seed-status">
          {phase}: {count(written)} of {count(order.count)} keys
          {failed > 0 && <span className="text-bad">, {count(failed)} failed</span>}
        </p>
        <p className="font-mono text-muted">{figure(rate)} keys/s</p>
      </div>
      {state.trouble && <Trouble>{state.trouble}</Trouble>}
      {phase !== "running" && written > 0 && (
        <Button
          onClick={() =>
            go("/dashboard/data", { prefix: `${order.prefix}${order.shape.replace(/s$/, "")}:` })
          }
        >
          Browse them
        </Button>
      )}
    </div>
  );
}
