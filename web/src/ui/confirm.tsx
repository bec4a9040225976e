import { type ReactNode, useEffect, useRef } from "react";
import { Button } from "./button";

interface Props {
  title: string;
  action: string;
  children: ReactNode;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Asks before an action that can't be undone. */
export function Confirm({ title, action, children, onConfirm, onCancel }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      aria-label={title}
      onClose={onCancel}
      className="m-auto w-[min(28rem,92vw)] rounded-lg border border-line bg-panel p-4 text-ink shadow-2xl"
    >
      <h2 className="font-semibold text-sm">{title}</h2>
      <div className="my-3 break-words text-[13px] text-muted">{children}</div>
      <div className="flex justify-end gap-2">
        <Button onClick={onCancel}>Cancel</Button>
        <Button kind="danger" onClick={onConfirm}>
          {action}
        </Button>
      </div>
    </dialog>
  );
}
