import type { Kind, Token } from "../../lib/json";
import { Foreign } from "../../ui/foreign";

const COLOURS: Record<Kind, string> = {
  name: "text-accent-text",
  text: "text-good",
  number: "text-warn",
  word: "text-warn",
  mark: "text-muted",
  space: "",
};

/** A text with more pieces has no colours. */
const COLOURED = 20_000;

/** JSON with colours, letter by letter as it is stored, except the white space. */
export function JsonText({ tokens }: { tokens: readonly Token[] }) {
  if (tokens.length > COLOURED)
    return <Foreign text={tokens.map((token) => token.text).join("")} keepsLayout />;
  return (
    <>
      {tokens.map((token, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: pieces have no other name, and never move
        <span key={index} className={COLOURS[token.kind]}>
          <Foreign text={token.text} keepsLayout />
        </span>
      ))}
    </>
  );
}
