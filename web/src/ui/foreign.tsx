import { Fragment } from "react";
import { visible } from "../lib/visible";

/** Anybody's text: nothing in it is hidden, joined or moved. keepsLayout: its lines and tabs stay. */
export function Foreign({ text, keepsLayout = false }: { text: string; keepsLayout?: boolean }) {
  return (
    <bdi dir="ltr" className="foreign">
      {visible(text, keepsLayout).map((part, index) =>
        part.isStandIn ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts have no other name, and never move
          <span key={index} className="text-warn">
            {part.text}
          </span>
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: likewise
          <Fragment key={index}>{part.text}</Fragment>
        ),
      )}
    </bdi>
  );
}
