import { useEffect, useState } from "react";
import { explain } from "../../api/errors";
import { type Found, locateKey, readKey } from "../../api/keys";
import type { LocateKeyResponse } from "../../gen/limedbpb/v1/cluster_pb";

export interface KeyState {
  found: Found | undefined;
  located: LocateKeyResponse | undefined;
  trouble: string;
  isRead: boolean;
}

const NOTHING: KeyState = { found: undefined, located: undefined, trouble: "", isRead: false };

/** A key's value and its holders, read again when `changes` grows. */
export function useKey(name: string, changes: number): KeyState {
  const [state, setState] = useState(NOTHING);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a changed key is read again
  useEffect(() => {
    let isCurrent = true;
    const keep = (part: Partial<KeyState>) => isCurrent && setState((before) => ({ ...before, ...part }));
    if (name) {
      readKey(name, "default")
        .then((found) => keep({ found, trouble: "", isRead: true }))
        .catch((error: unknown) => keep({ trouble: explain(error), isRead: true }));
      locateKey(name)
        .then((located) => keep({ located }))
        .catch((error: unknown) => keep({ trouble: explain(error) }));
    }
    return () => {
      isCurrent = false;
    };
  }, [name, changes]);
  return state;
}
