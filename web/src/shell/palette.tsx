import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { useCluster } from "../api/use-feed";
import { Foreign } from "../ui/foreign";
import { type Command, commandsFor } from "./commands";
import { closePalette, openPalette, usePalette } from "./palette-state";

/** Everything by keyboard: Ctrl-K. */
export function Palette() {
  const isOpen = usePalette();
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "k") return;
      event.preventDefault();
      openPalette();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  return isOpen ? <OpenPalette /> : null;
}

function OpenPalette() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const urls = useCluster().snapshot?.nodes.map((node) => node.url) ?? [];
  const commands = commandsFor(text, urls);
  useEffect(() => dialog.current?.showModal(), []);
  const run = (command: Command | undefined) => {
    closePalette();
    command?.run();
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") run(commands[chosen]);
    if (!step) return;
    event.preventDefault();
    setChosen((chosen + step + commands.length) % Math.max(1, commands.length));
  };
  return (
    <dialog
      ref={dialog}
      aria-label="Commands"
      onClose={closePalette}
      className="mx-auto mt-[12vh] w-[min(34rem,94vw)] overflow-hidden rounded-xl border border-line bg-panel text-ink shadow-2xl"
    >
      <input
        role="combobox"
        aria-label="Command or key"
        aria-expanded="true"
        aria-controls="commands"
        aria-activedescendant={`command-${chosen}`}
        placeholder="Type a command, a node or a key…"
        className="w-full border-line border-b bg-transparent px-4 py-3 text-[15px] outline-none placeholder:text-muted"
        value={text}
        onKeyDown={onKey}
        onChange={(event) => {
          setText(event.target.value);
          setChosen(0);
        }}
      />
      <CommandList commands={commands} chosen={chosen} onRun={run} />
    </dialog>
  );
}

function CommandList(props: { commands: Command[]; chosen: number; onRun: (command: Command) => void }) {
  return (
    <div role="listbox" id="commands" aria-label="Commands" className="max-h-80 overflow-y-auto p-1.5">
      {props.commands.map((command, index) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the keys of the box above choose and run it
        <div
          key={command.name}
          id={`command-${index}`}
          role="option"
          tabIndex={-1}
          aria-selected={index === props.chosen}
          onClick={() => props.onRun(command)}
          className={`truncate rounded-md px-3 py-2 text-[13px] ${index === props.chosen ? "bg-raised text-accent-text" : ""}`}
        >
          <Foreign text={command.name} />
        </div>
      ))}
    </div>
  );
}
