import { useMemo, useSyncExternalStore } from "react";
import { ClusterFeed, type Feed } from "./cluster-feed";
import { NodeFeed, type NodeFeedNow } from "./node-feed";

const feed = new ClusterFeed();

/** The cluster as any node reports it; all pages share one stream. */
export function useCluster(): Feed {
  return useSyncExternalStore(feed.subscribe, feed.get);
}

/** The cluster as one node reports it. */
export function useNodeFeed(nodeUrl: string): NodeFeedNow {
  const found = useMemo(() => new NodeFeed(nodeUrl), [nodeUrl]);
  return useSyncExternalStore(found.subscribe, found.get);
}
