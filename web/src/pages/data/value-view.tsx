import { useState } from "react";
import {
  bestView,
  bytesOf,
  type Content,
  hexDump,
  jsonOf,
  textOf,
  VIEWS,
  type View,
} from "../../lib/content";
import { bytes } from "../../lib/format";
import { Foreign } from "../../ui/foreign";
import { Scroll } from "../../ui/scroll";
import { Segments } from "../../ui/segments";
import { JsonText } from "./json-text";

function Shown({ content, view }: { content: Content; view: View }) {
  if (view === "hex") return <>{hexDump(content)}</>;
  if (view === "text") return <Foreign text={textOf(content)} keepsLayout />;
  const tokens = jsonOf(content);
  return tokens ? <JsonText tokens={tokens} /> : <>not JSON</>;
}

/** A value as text, as JSON or as bytes: always as text on the page, never as HTML. */
export function ValueView({ content }: { content: Content }) {
  const [view, setView] = useState(() => bestView(content));
  return (
    <div className="mt-2">
      <div className="mb-2 flex items-center justify-between">
        <Segments label="Show as" value={view} options={VIEWS} onChoice={setView} />
        <span className="text-muted text-xs">
          {typeof content === "string" ? "text" : "bytes"}, {bytes(bytesOf(content).length)}
        </span>
      </div>
      <Scroll label="Value" className="max-h-80 overflow-auto rounded-md border border-line bg-ground">
        <pre
          data-testid="value"
          className={`p-2.5 font-mono text-xs ${view === "hex" ? "" : "whitespace-pre-wrap break-all"}`}
        >
          <Shown content={content} view={view} />
        </pre>
      </Scroll>
    </div>
  );
}
