import type { ChangePlan, RepairResponse } from "../gen/limedbpb/v1/admin_pb";
import { admin, at, ENDLESS } from "./transport";

/** A change of the members. */
export type ChangeName = "decommission" | "remove" | "cancel";

/** Begin a change, or only plan it; undefined: there is no plan of it. */
export async function change(
  name: ChangeName,
  url: string,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<ChangePlan | undefined> {
  if (name === "cancel") return (await admin.cancel({ dryRun }, { signal })).plan;
  const ask = name === "decommission" ? admin.decommission : admin.remove;
  return (await ask({ url, dryRun }, { signal })).plan;
}

/** Repair a node: its progress until it is done, or cancelled. */
export function repair(url: string, signal: AbortSignal): AsyncIterable<RepairResponse> {
  return admin.repair({}, at(url, { ...ENDLESS, signal }));
}
