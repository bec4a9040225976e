import { figure, hostOf } from "../../lib/format";
import { Foreign } from "../../ui/foreign";
import type { Command, Outcome } from "./commands";

function wordsOf({ verb, key, level, node }: Command): string {
  return [verb, key, level !== "default" && level, node && `at ${hostOf(node)}`].filter(Boolean).join(" ");
}

/** Earlier commands; choosing one fills the form with it. */
export function History(props: { outcomes: readonly Outcome[]; onChoice: (command: Command) => void }) {
  return (
    <details className="mt-3 border-line border-t pt-2">
      <summary className="cursor-pointer text-muted text-xs">History ({props.outcomes.length})</summary>
      <ol aria-label="History" className="mt-2 max-h-44 space-y-0.5 overflow-y-auto">
        {props.outcomes.map((outcome) => (
          <li key={outcome.id}>
            <button
              type="button"
              onClick={() => props.onChoice(outcome.command)}
              className="flex w-full items-center gap-3 rounded px-2 py-1 text-left text-xs hover:bg-raised"
            >
              <span className="min-w-0 grow truncate font-mono">
                <Foreign text={wordsOf(outcome.command)} />
              </span>
              <span className={`min-w-0 truncate ${outcome.isError ? "text-bad" : "text-muted"}`}>
                <Foreign text={outcome.text} />
              </span>
              <span className="shrink-0 font-mono text-muted">{figure(outcome.ms)} ms</span>
            </button>
          </li>
        ))}
      </ol>
    </details>
  );
}
