import type { Feed } from "../api/cluster-feed";
import { signOut, useSession } from "../api/session";
import { useCluster } from "../api/use-feed";
import { hostOf } from "../lib/format";
import { toggleReadOnly, useReadOnly } from "../lib/read-only";
import { toggleTheme, useTheme } from "../lib/theme";
import { Button } from "../ui/button";
import { Icon } from "../ui/icons";
import { openPalette } from "./palette-state";

const TONES = { live: "text-good", connecting: "text-warn", lost: "text-bad" } as const;

/** The node behind the page, or that the connection is lost. */
function FeedMark({ feed }: { feed: Feed }) {
  const words = {
    live: `live from ${hostOf(feed.snapshot?.nodeUrl ?? "")}`,
    connecting: "connecting…",
    lost: "connection lost, reconnecting…",
  };
  return (
    <span
      role="status"
      title={feed.trouble}
      className={`flex items-center gap-1.5 text-xs ${TONES[feed.state]}`}
    >
      <span className="size-2 shrink-0 rounded-full bg-current" />
      <span className="truncate">{words[feed.state]}</span>
    </span>
  );
}

export function TopBar({ title }: { title: string }) {
  const feed = useCluster();
  const theme = useTheme();
  const { hasToken } = useSession();
  const isReadOnly = useReadOnly();
  return (
    <header className="sticky top-0 z-10 flex h-12 items-center gap-3 border-line border-b bg-ground/90 px-3 backdrop-blur md:px-4">
      <h1 className="font-semibold text-[15px]">{title}</h1>
      <div className="ml-auto flex min-w-0 items-center gap-2">
        <FeedMark feed={feed} />
        <Button onClick={openPalette} aria-label="Commands, Ctrl K" className="text-muted">
          <Icon name="search" />
          <kbd className="hidden font-sans text-xs sm:inline">Ctrl K</kbd>
        </Button>
        <Button
          kind={isReadOnly ? "plain" : "ghost"}
          aria-pressed={isReadOnly}
          onClick={toggleReadOnly}
          className={isReadOnly ? "text-warn max-sm:px-1.5" : "max-sm:hidden"}
        >
          Read only
        </Button>
        {hasToken && (
          <Button kind="ghost" onClick={() => signOut()}>
            Sign out
          </Button>
        )}
        <Button
          kind="ghost"
          onClick={toggleTheme}
          aria-label={theme === "dark" ? "Light theme" : "Dark theme"}
        >
          <Icon name={theme === "dark" ? "sun" : "moon"} />
        </Button>
      </div>
    </header>
  );
}
