import type { ReactNode } from "react";
import { Foreign } from "./foreign";

/** A part of a page with a heading of its own. */
export function Panel(props: { title: string; aside?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section
      aria-label={props.title}
      className={`min-w-0 rounded-lg border border-line bg-panel ${props.className ?? ""}`}
    >
      <header className="flex min-h-10 flex-wrap items-center justify-between gap-x-3 border-line border-b px-3.5 py-1.5">
        <h2 className="font-semibold text-[13px]">{props.title}</h2>
        <div className="flex items-center gap-2 text-muted text-xs">{props.aside}</div>
      </header>
      <div className="p-3.5">{props.children}</div>
    </section>
  );
}

/** The text of a part that has nothing to show. */
export function Quiet({ children }: { children: ReactNode }) {
  return <p className="py-2 text-muted text-xs">{children}</p>;
}

/** An error, which screen readers announce at once. */
export function Trouble({ children }: { children: ReactNode }) {
  return (
    <p
      role="alert"
      className="break-words rounded-md border border-bad/40 bg-bad/10 px-3 py-2 text-[13px] text-bad"
    >
      {typeof children === "string" ? <Foreign text={children} keepsLayout /> : children}
    </p>
  );
}
