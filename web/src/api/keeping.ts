import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { isReadOnly } from "../lib/read-only";

/** The calls that change nothing; all others are refused while the dashboard is read-only. */
const READS = /^(Get(?!And)|BatchGet|List|Scan|Watch|Locate|Plan|WhoAmI)/;

function isPlan(message: object): boolean {
  return "dryRun" in message && message.dryRun === true;
}

/** Refuses whatever changes something, while the dashboard is read-only. */
export const keepReadOnly: Interceptor = (next) => async (request) => {
  const isHarmless = READS.test(request.method.name) || (!request.stream && isPlan(request.message));
  if (isReadOnly() && !isHarmless)
    throw new ConnectError("the dashboard is read-only: its switch is at the top", Code.PermissionDenied);
  return await next(request);
};
