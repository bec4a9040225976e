import type { ButtonHTMLAttributes } from "react";

const KINDS = {
  plain: "border-line bg-raised hover:border-muted",
  primary: "border-transparent bg-accent text-on-accent hover:brightness-110",
  danger: "border-bad/50 bg-bad/10 text-bad hover:bg-bad/20",
  ghost: "border-transparent text-muted hover:bg-raised hover:text-ink",
} as const;

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: keyof typeof KINDS;
}

export function Button({ kind = "plain", className = "", ...rest }: Props) {
  return (
    <button
      type="button"
      className={`inline-flex h-8 items-center justify-center gap-1.5 whitespace-nowrap rounded-md border px-3 font-medium text-[13px] transition-colors disabled:cursor-not-allowed disabled:opacity-50 ${KINDS[kind]} ${className}`}
      {...rest}
    />
  );
}
