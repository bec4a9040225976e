import { useEffect, useState } from "react";
import { explain } from "../../api/errors";
import { type KeyPage, scanKeys } from "../../api/keys";

export const PAGE_SIZE = 25;

export interface Keys {
  page: KeyPage | undefined;
  number: number;
  trouble: string;
  next: () => void;
  previous: () => void;
}

/** The keys with a prefix, page by page. node: read its own store; empty: all nodes. changes: when it grows,
 * the page is read again. Another prefix or node needs another component, which begins at its first page. */
export function useKeys(prefix: string, node: string, changes: number): Keys {
  const [cursors, setCursors] = useState<readonly (string | undefined)[]>([undefined]);
  const [page, setPage] = useState<KeyPage>();
  const [trouble, setTrouble] = useState("");
  const after = cursors[cursors.length - 1];
  // biome-ignore lint/correctness/useExhaustiveDependencies: changed keys are read again
  useEffect(() => {
    const stop = new AbortController();
    scanKeys({ prefix, node, after, limit: PAGE_SIZE }, stop.signal)
      .then((found) => {
        setPage(found);
        setTrouble("");
      })
      .catch((error: unknown) => stop.signal.aborted || setTrouble(explain(error)));
    return () => stop.abort();
  }, [prefix, node, after, changes]);
  return {
    page,
    number: cursors.length,
    trouble,
    next: () => page?.after !== undefined && setCursors([...cursors, page.after]),
    previous: () => setCursors(cursors.length > 1 ? cursors.slice(0, -1) : cursors),
  };
}
