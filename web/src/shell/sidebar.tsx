import type { MouseEvent } from "react";
import { go, PAGES, useRoute } from "../lib/router";
import { Icon, type IconName } from "../ui/icons";

const ICONS: Record<string, IconName> = {
  Overview: "overview",
  Nodes: "nodes",
  Data: "data",
  "Seed data": "seed",
};

function follow(event: MouseEvent, path: string): void {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go(path);
}

/** The pages: at the side, or at the bottom of a phone. */
export function Sidebar() {
  const { path } = useRoute();
  return (
    <nav
      aria-label="Pages"
      className="fixed inset-x-0 bottom-0 z-20 border-line border-t bg-panel md:static md:border-t-0 md:border-r"
    >
      <div className="md:sticky md:top-0">
        <div className="hidden h-12 items-center gap-2 px-4 font-semibold tracking-tight md:flex">
          <img src="/favicon.svg" alt="" className="size-5" />
          LimeDB
        </div>
        <ul className="flex justify-around md:block md:space-y-0.5 md:p-2">
          {PAGES.map((page) => (
            <li key={page.path}>
              <a
                href={page.path}
                aria-current={page.path === path ? "page" : undefined}
                onClick={(event) => follow(event, page.path)}
                className={`flex flex-col items-center gap-1 rounded-md px-3 py-2 text-[11px] md:flex-row md:gap-2.5 md:text-[13px] ${
                  page.path === path
                    ? "font-medium text-accent-text md:bg-raised"
                    : "text-muted hover:text-ink"
                }`}
              >
                <Icon name={ICONS[page.title] ?? "overview"} />
                {page.title}
              </a>
            </li>
          ))}
        </ul>
      </div>
    </nav>
  );
}
