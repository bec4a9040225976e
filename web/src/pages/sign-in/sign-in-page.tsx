import { useState } from "react";
import { explain } from "../../api/errors";
import { signIn, useSession } from "../../api/session";
import { tryToken } from "../../api/transport";
import { Button } from "../../ui/button";
import { Input } from "../../ui/field";
import { Panel, Trouble } from "../../ui/panel";

/** Asks for a token, which stays in this tab alone. */
export function SignInPage() {
  const { trouble } = useSession();
  const [token, setToken] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState(trouble);

  async function submit(event: React.FormEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    try {
      await tryToken(token.trim());
      signIn(token.trim());
    } catch (error) {
      setRefusal(explain(error));
      setBusy(false);
    }
  }

  return (
    <main className="mx-auto max-w-md p-4 pt-[15vh]">
      <Panel title="Sign in to LimeDB">
        <form className="flex flex-col gap-3" onSubmit={(event) => void submit(event)}>
          <Input
            label="Token"
            type="password"
            isCode
            value={token}
            onText={setToken}
            required
            pattern="\s*[!-~]+\s*"
            title="one word of ASCII"
          />
          {refusal && <Trouble>{refusal}</Trouble>}
          <Button type="submit" kind="primary" disabled={isBusy || token.trim() === ""}>
            Sign in
          </Button>
          <p className="text-muted text-xs">
            An administrator makes one by <code>limedb admin user add</code>. This tab forgets it when it is
            closed.
          </p>
        </form>
      </Panel>
    </main>
  );
}
