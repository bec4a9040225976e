import type { ReactNode } from "react";

/** A part that scrolls by itself, so that it must be reachable by keyboard. */
export function Scroll(props: { label: string; children: ReactNode; className: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: see above
    <section tabIndex={0} aria-label={props.label} className={props.className}>
      {props.children}
    </section>
  );
}
