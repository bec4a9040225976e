import { go, PAGES } from "../lib/router";
import { Foreign } from "../ui/foreign";
import { Panel } from "../ui/panel";

/** The page of a path that has none. */
export function NotFoundPage() {
  return (
    <Panel title="There is no such page">
      <p className="mb-3 text-[13px]">
        The dashboard has no page at{" "}
        <code className="break-all">
          <Foreign text={window.location.pathname} />
        </code>
        . It has these:
      </p>
      <ul className="space-y-1 text-[13px]">
        {PAGES.map((page) => (
          <li key={page.path}>
            <a
              href={page.path}
              className="text-accent-text underline"
              onClick={(event) => {
                event.preventDefault();
                go(page.path);
              }}
            >
              {page.title}
            </a>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
