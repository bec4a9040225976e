import { useState } from "react";
import { Button } from "../../ui/button";
import { Input } from "../../ui/field";

/** Asks for a key to place on the ring. */
export function PlaceForm({ onPlace }: { onPlace: (key: string) => void }) {
  const [key, setKey] = useState("");
  return (
    <form
      className="flex items-end gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        if (key) onPlace(key);
      }}
    >
      <Input
        label="Where is a key?"
        placeholder="any key"
        isCode
        value={key}
        onText={setKey}
        className="grow"
      />
      <Button type="submit" disabled={!key}>
        Locate
      </Button>
    </form>
  );
}
