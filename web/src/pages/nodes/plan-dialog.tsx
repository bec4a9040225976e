import type { ChangePlan } from "../../gen/limedbpb/v1/admin_pb";
import { hostOf, percent } from "../../lib/format";
import { Confirm } from "../../ui/confirm";
import { Code, Table } from "../../ui/table";

interface Props {
  plan: ChangePlan;
  action: string;
  onConfirm: () => void;
  onCancel: () => void;
}

/** What a change would do, before it begins. */
export function PlanDialog({ plan, action, onConfirm, onCancel }: Props) {
  return (
    <Confirm title={`${action}?`} action={action} onConfirm={onConfirm} onCancel={onCancel}>
      <p className="mb-2 text-ink">
        {plan.what}: new owners fetch {percent(plan.streamed)} of the keys. Nothing has been changed yet.
      </p>
      <Table label="Shares of all keys" columns={["node", "owns>", "then>"]}>
        {plan.moves.map((move) => (
          <tr key={move.url}>
            <Code>{hostOf(move.url)}</Code>
            <Code right>{percent(move.shareBefore)}</Code>
            <Code right>{percent(move.shareAfter)}</Code>
          </tr>
        ))}
      </Table>
    </Confirm>
  );
}
