import type { ReactNode } from "react";
import { Scroll } from "./scroll";

/** A table that scrolls by itself if it is too wide. columns: a trailing > aligns to the right. */
export function Table(props: { label: string; columns: readonly string[]; children: ReactNode }) {
  return (
    <Scroll label={props.label} className="overflow-x-auto">
      <table className="w-full text-left text-[13px]">
        <thead className="text-muted text-xs">
          <tr>
            {props.columns.map((column) => (
              <th
                key={column}
                scope="col"
                className={`whitespace-nowrap border-line border-b px-2 pb-1.5 font-medium ${column.endsWith(">") ? "text-right" : ""}`}
              >
                {column.replace(/>$/, "")}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="[&_td]:border-line/60 [&_td]:border-b [&_td]:px-2 [&_td]:py-1.5 [&_tr:last-child_td]:border-b-0">
          {props.children}
        </tbody>
      </table>
    </Scroll>
  );
}

/** A cell of a number or a code. */
export function Code({ children, right = false }: { children: ReactNode; right?: boolean }) {
  return <td className={`whitespace-nowrap font-mono text-xs ${right ? "text-right" : ""}`}>{children}</td>;
}
