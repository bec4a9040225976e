import { useMemo, useSyncExternalStore } from "react";
import { ClusterFeed, type Feed } from "./cluster-feed";

const shared = new ClusterFeed("");

/** The cluster as any node reports it; all pages share one stream. */
export function useCluster(): Feed {
  return useSyncExternalStore(shared.subscribe, shared.get);
}

/** The cluster as one node reports it. */
export function useNodeFeed(nodeUrl: string): Feed {
  const feed = useMemo(() => new ClusterFeed(nodeUrl), [nodeUrl]);
  return useSyncExternalStore(feed.subscribe, feed.get);
}
