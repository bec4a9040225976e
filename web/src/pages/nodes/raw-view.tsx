import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { useEffect, useState } from "react";
import { explain } from "../../api/errors";
import { at, cluster } from "../../api/transport";
import {
  GetGossipResponseSchema,
  GetHealthResponseSchema,
  GetStateResponseSchema,
} from "../../gen/limedbpb/v1/cluster_pb";
import { Button } from "../../ui/button";
import { Trouble } from "../../ui/panel";
import { Scroll } from "../../ui/scroll";
import { Segments } from "../../ui/segments";

const ANSWERS = ["state", "gossip", "health"] as const;
type Answer = (typeof ANSWERS)[number];

function json<T extends DescMessage>(schema: T, message: MessageShape<T>): string {
  return JSON.stringify(toJson(schema, message, { alwaysEmitImplicit: true }), undefined, 2);
}

/** The node's answer, as REST has it. */
async function ask(answer: Answer, url: string, signal: AbortSignal): Promise<string> {
  const options = at(url, { signal });
  if (answer === "state") return json(GetStateResponseSchema, await cluster.getState({}, options));
  if (answer === "gossip") return json(GetGossipResponseSchema, await cluster.getGossip({}, options));
  return json(GetHealthResponseSchema, await cluster.getHealth({}, options));
}

/** A node's answers as they are. */
export function RawView({ url }: { url: string }) {
  const [answer, setAnswer] = useState<Answer>("state");
  const [asked, setAsked] = useState(0);
  const [text, setText] = useState("");
  const [trouble, setTrouble] = useState("");
  // biome-ignore lint/correctness/useExhaustiveDependencies: the button asks again
  useEffect(() => {
    const stop = new AbortController();
    const show = (json: string, wrong: string) => {
      if (stop.signal.aborted) return;
      setText(json);
      setTrouble(wrong);
    };
    ask(answer, url, stop.signal).then(
      (json) => show(json, ""),
      (error: unknown) => show("", explain(error)),
    );
    return () => stop.abort();
  }, [answer, url, asked]);
  return (
    <div className="space-y-2">
      <div className="flex items-center justify-between">
        <Segments label="Answer" value={answer} options={ANSWERS} onChoice={setAnswer} />
        <Button onClick={() => setAsked(asked + 1)}>Ask again</Button>
      </div>
      {trouble && <Trouble>{trouble}</Trouble>}
      <Scroll
        label="Raw answer"
        className="max-h-[32rem] overflow-auto rounded-md border border-line bg-ground"
      >
        <pre data-testid="raw" className="p-2.5 font-mono text-xs">
          {text}
        </pre>
      </Scroll>
    </div>
  );
}
