import { useState } from "react";
import { useReadOnly } from "../../lib/read-only";
import { Button } from "../../ui/button";
import { Choice, Input } from "../../ui/field";
import { Panel } from "../../ui/panel";
import { Segments } from "../../ui/segments";
import { SeedProgress } from "./seed-progress";
import { SHAPES, type Shape } from "./shapes";
import { useSeeding } from "./use-seeding";

const BATCHES = ["10", "100", "500", "1000"].map((value) => ({ value, text: value }));
const EXAMPLES: Record<Shape, string> = {
  users: "user:… with names, addresses and cities, as JSON",
  orders: "order:… with lines and prices, as JSON",
  sessions: "session:… that expire after an hour, as JSON",
  random: "random:… with 10 to 500 letters and digits",
};

/** Fills the cluster with realistic data. */
export function SeedPage() {
  const [shape, setShape] = useState<Shape>("users");
  const [count, setCount] = useState("1000");
  const [batch, setBatch] = useState("100");
  const [prefix, setPrefix] = useState("");
  const seeding = useSeeding();
  const isReadOnly = useReadOnly();
  const wanted = Number(count);
  const isFit = Number.isInteger(wanted) && wanted >= 1 && wanted <= 1_000_000;
  return (
    <div className="mx-auto max-w-2xl">
      <Panel title="Seed data" aside="written by BatchSet, through any node">
        <form
          className="space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            void seeding.start({ shape, count: wanted, batch: Number(batch), prefix });
          }}
        >
          <div className="space-y-1.5">
            <Segments label="Shape" value={shape} options={SHAPES} onChoice={setShape} />
            <p className="text-muted text-xs">
              {prefix}
              {EXAMPLES[shape]}
            </p>
          </div>
          <div className="grid gap-3 sm:grid-cols-3">
            <Input label="Count, up to a million" inputMode="numeric" value={count} onText={setCount} />
            <Choice label="Batch size" value={batch} options={BATCHES} onChoice={setBatch} />
            <Input label="Key prefix" placeholder="none" isCode value={prefix} onText={setPrefix} />
          </div>
          <div className="flex justify-end gap-2">
            {seeding.isRunning && <Button onClick={seeding.cancel}>Cancel</Button>}
            <Button type="submit" kind="primary" disabled={!isFit || seeding.isRunning || isReadOnly}>
              Write {isFit ? wanted.toLocaleString("en") : "…"} keys
            </Button>
          </div>
        </form>
        {seeding.state && <SeedProgress state={seeding.state} />}
      </Panel>
    </div>
  );
}
